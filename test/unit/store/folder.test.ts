import { openFolderStore } from '../../../src/store/folder.ts';
import { makeTemporaryFolder } from '../../support/temporary.ts';
import { describeStoreContract } from './contract.ts';

describeStoreContract(
  'folder store',
  async () => openFolderStore(await makeTemporaryFolder('store'), () => undefined),
  32,
);
