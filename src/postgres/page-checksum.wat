;; Checksums of data pages (storage/checksum_impl.h), four sums in each of eight vectors: a quarter of the time that
;; page-checksum.ts takes. scripts/build-wasm.ts makes page-checksum-code.ts of this.
(module
  (import "pages" "memory" (memory 1 65536))

  ;; How many pages from $page on are good: the caller looks at the next one itself. A page without pd_upper has no
  ;; checksum and counts as not good here.
  (func (export "countGood")
    (param $page i32) (param $pages i32) (param $block i32) (param $size i32) (result i32)
    (local $good i32) (local $row i32) (local $end i32) (local $result i32)
    (local $t v128) (local $prime v128)
    (local $a v128) (local $b v128) (local $c v128) (local $d v128)
    (local $e v128) (local $f v128) (local $g v128) (local $h v128)
    (local.set $prime (i32x4.splat (i32.const 16777619)))
    (block $done
      (loop $each
        (br_if $done (i32.ge_u (local.get $good) (local.get $pages)))
        ;; pd_upper
        (br_if $done (i32.eqz (i32.load16_u offset=14 (local.get $page))))
        (local.set $end (i32.add (local.get $page) (local.get $size)))
        ;; checksumBaseOffsets
        (local.set $a (v128.const i32x4 0x5b1f36e9 0xb8525960 0x02ab50aa 0x1de66d2a))
        (local.set $b (v128.const i32x4 0x79ff467a 0x9bb9f8a3 0x217e7cd2 0x83e13d2c))
        (local.set $c (v128.const i32x4 0xf8d4474f 0xe39eb970 0x42c6ae16 0x993216fa))
        (local.set $d (v128.const i32x4 0x7b093b5d 0x98daff3c 0xf718902a 0x0b1c9cdb))
        (local.set $e (v128.const i32x4 0xe58f764b 0x187636bc 0x5d7b3bb1 0xe73de7de))
        (local.set $f (v128.const i32x4 0x92bec979 0xcca6c0b2 0x304a0979 0x85aa43d4))
        (local.set $g (v128.const i32x4 0x783125bb 0x6ca8eaa2 0xe407eac6 0x4b5cfc3e))
        (local.set $h (v128.const i32x4 0x9fbf8c76 0x15ca20be 0xf2ca9fd3 0x959bd756))
        ;; The checksum itself counts as zero: what it will put in is taken out beforehand.
        (local.set $a (v128.xor (local.get $a) (v128.and
          (v128.load (local.get $page)) (v128.const i32x4 0 0 0x0000ffff 0))))
        (local.set $row (local.get $page))
        (loop $rows
          (local.set $t (v128.xor (local.get $a) (v128.load offset=0 (local.get $row))))
          (local.set $a (v128.xor (i32x4.mul (local.get $t) (local.get $prime)) (i32x4.shr_u (local.get $t) (i32.const 17))))
          (local.set $t (v128.xor (local.get $b) (v128.load offset=16 (local.get $row))))
          (local.set $b (v128.xor (i32x4.mul (local.get $t) (local.get $prime)) (i32x4.shr_u (local.get $t) (i32.const 17))))
          (local.set $t (v128.xor (local.get $c) (v128.load offset=32 (local.get $row))))
          (local.set $c (v128.xor (i32x4.mul (local.get $t) (local.get $prime)) (i32x4.shr_u (local.get $t) (i32.const 17))))
          (local.set $t (v128.xor (local.get $d) (v128.load offset=48 (local.get $row))))
          (local.set $d (v128.xor (i32x4.mul (local.get $t) (local.get $prime)) (i32x4.shr_u (local.get $t) (i32.const 17))))
          (local.set $t (v128.xor (local.get $e) (v128.load offset=64 (local.get $row))))
          (local.set $e (v128.xor (i32x4.mul (local.get $t) (local.get $prime)) (i32x4.shr_u (local.get $t) (i32.const 17))))
          (local.set $t (v128.xor (local.get $f) (v128.load offset=80 (local.get $row))))
          (local.set $f (v128.xor (i32x4.mul (local.get $t) (local.get $prime)) (i32x4.shr_u (local.get $t) (i32.const 17))))
          (local.set $t (v128.xor (local.get $g) (v128.load offset=96 (local.get $row))))
          (local.set $g (v128.xor (i32x4.mul (local.get $t) (local.get $prime)) (i32x4.shr_u (local.get $t) (i32.const 17))))
          (local.set $t (v128.xor (local.get $h) (v128.load offset=112 (local.get $row))))
          (local.set $h (v128.xor (i32x4.mul (local.get $t) (local.get $prime)) (i32x4.shr_u (local.get $t) (i32.const 17))))
          (local.set $row (i32.add (local.get $row) (i32.const 128)))
          (br_if $rows (i32.lt_u (local.get $row) (local.get $end))))
        ;; Two rounds of zeros.
        (local.set $a (v128.xor (i32x4.mul (local.get $a) (local.get $prime)) (i32x4.shr_u (local.get $a) (i32.const 17))))
        (local.set $b (v128.xor (i32x4.mul (local.get $b) (local.get $prime)) (i32x4.shr_u (local.get $b) (i32.const 17))))
        (local.set $c (v128.xor (i32x4.mul (local.get $c) (local.get $prime)) (i32x4.shr_u (local.get $c) (i32.const 17))))
        (local.set $d (v128.xor (i32x4.mul (local.get $d) (local.get $prime)) (i32x4.shr_u (local.get $d) (i32.const 17))))
        (local.set $e (v128.xor (i32x4.mul (local.get $e) (local.get $prime)) (i32x4.shr_u (local.get $e) (i32.const 17))))
        (local.set $f (v128.xor (i32x4.mul (local.get $f) (local.get $prime)) (i32x4.shr_u (local.get $f) (i32.const 17))))
        (local.set $g (v128.xor (i32x4.mul (local.get $g) (local.get $prime)) (i32x4.shr_u (local.get $g) (i32.const 17))))
        (local.set $h (v128.xor (i32x4.mul (local.get $h) (local.get $prime)) (i32x4.shr_u (local.get $h) (i32.const 17))))
        (local.set $a (v128.xor (i32x4.mul (local.get $a) (local.get $prime)) (i32x4.shr_u (local.get $a) (i32.const 17))))
        (local.set $b (v128.xor (i32x4.mul (local.get $b) (local.get $prime)) (i32x4.shr_u (local.get $b) (i32.const 17))))
        (local.set $c (v128.xor (i32x4.mul (local.get $c) (local.get $prime)) (i32x4.shr_u (local.get $c) (i32.const 17))))
        (local.set $d (v128.xor (i32x4.mul (local.get $d) (local.get $prime)) (i32x4.shr_u (local.get $d) (i32.const 17))))
        (local.set $e (v128.xor (i32x4.mul (local.get $e) (local.get $prime)) (i32x4.shr_u (local.get $e) (i32.const 17))))
        (local.set $f (v128.xor (i32x4.mul (local.get $f) (local.get $prime)) (i32x4.shr_u (local.get $f) (i32.const 17))))
        (local.set $g (v128.xor (i32x4.mul (local.get $g) (local.get $prime)) (i32x4.shr_u (local.get $g) (i32.const 17))))
        (local.set $h (v128.xor (i32x4.mul (local.get $h) (local.get $prime)) (i32x4.shr_u (local.get $h) (i32.const 17))))
        (local.set $t (v128.xor
          (v128.xor (v128.xor (local.get $a) (local.get $b)) (v128.xor (local.get $c) (local.get $d)))
          (v128.xor (v128.xor (local.get $e) (local.get $f)) (v128.xor (local.get $g) (local.get $h)))))
        (local.set $result (i32.xor
          (i32.xor (i32x4.extract_lane 0 (local.get $t)) (i32x4.extract_lane 1 (local.get $t)))
          (i32.xor (i32x4.extract_lane 2 (local.get $t)) (i32x4.extract_lane 3 (local.get $t)))))
        (local.set $result (i32.xor (local.get $result) (i32.add (local.get $block) (local.get $good))))
        (local.set $result (i32.add (i32.rem_u (local.get $result) (i32.const 65535)) (i32.const 1)))
        ;; pd_checksum
        (br_if $done (i32.ne (local.get $result) (i32.load16_u offset=8 (local.get $page))))
        (local.set $good (i32.add (local.get $good) (i32.const 1)))
        (local.set $page (local.get $end))
        (br $each)))
    (local.get $good)))
