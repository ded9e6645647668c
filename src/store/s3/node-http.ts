/**
 * Node's HTTP modules as objects. Importing them by name evaluates every property they have, which loads
 * Node's fetch along with them: 30 ms that each `pgarc wal-push` would pay.
 */
const http = process.getBuiltinModule('node:http');
const https = process.getBuiltinModule('node:https');

export const HttpAgent = http.Agent;
export const httpRequest = http.request;
export const HttpsAgent = https.Agent;
export const httpsRequest = https.request;
