/**
 * A search for a regular expression that looks only where a match may begin.
 *
 * QuickJS tries a pattern at every character of a text, and each try of `/casino|lottery|winner/i` walks all of its
 * alternatives: 38 ns a character, and two thirds of what a filter with one takes. Here the ASCII characters that a match
 * can begin with are read off the pattern's bytecode (libregexp-opcode.h), and the matcher is asked at those alone.
 * A pattern of which that cannot be told (it may match nothing, or begins with what is not listed below) is searched as before.
 */

/** The matcher itself, once `$599` (lre_exec) is what looks for a place to ask it. */
export const MATCHER = '$match'

/** Where the matcher begins in the bytecode: behind its header, and behind the loop over all places when it is asked for one. */
const HEADER_BYTES = 8
const SEARCH_BYTES = 11

/** Text of the package's wasm → ours; each stands there once. */
export const REPLACED: readonly (readonly [string, string])[] = [
  ['(func $599 ', `(func ${MATCHER} `],
  [
    `  (local.set $3
   (i32.add
    (local.get $1)
    (i32.const ${HEADER_BYTES})
   )
  )`,
    `  (local.set $3 (i32.add (i32.add (local.get $1) (i32.const ${HEADER_BYTES})) (global.get $behind)))`,
  ],
]

/** Flags of a pattern. */
const STICKY = 0x20
const UNICODE = 0x110

/** Opcodes, and how many octets each takes with its operands. */
const CHAR = 1
const GOTO = 13
const SPLIT = 14
const RANGE = 36
const WITHOUT_WIDTH: readonly (readonly [first: number, last: number, octets: number])[] = [
  [9, 12, 1], // line_start, line_end
  [19, 20, 2], // save_start, save_end
  [21, 21, 3], // save_reset
  [27, 27, 6], // set_i32
  [28, 31, 1], // word_boundary, not_word_boundary
  [42, 42, 2], // set_char_pos
]

/** Bounds what reading a pattern takes, which pays no fuel, and ends loops of it that consume nothing. */
const STEPS_MAX = 256
/** More different beginnings than this are in every word. */
const FIRST_MAX = 64

/** `A` to `Z` in the upper half of the 128; `a` to `z` lie 32 bits further up. */
const CAPITALS = 0x07fffffe

const smaller = (a: string, b: string) => `(select ${a} ${b} (i32.lt_u ${a} ${b}))`
const larger = (a: string, b: string) => `(select ${a} ${b} (i32.gt_u ${a} ${b}))`
/** The bits of two characters of one half and of those between them; a shift counts modulo 64. */
const bits = (from: string, to: string) =>
  `(i64.and
     (i64.shl (i64.const -1) (i64.extend_i32_u ${from}))
     (i64.shr_u (i64.const -1) (i64.extend_i32_u (i32.sub (i32.const 63) ${to}))))`

/** `$low` and `$high`: the ASCII characters a match may begin with; `$beyond`: or others. `$behind`: what `match` passes over. */
export const GLOBALS = `
 (global $behind (mut i32) (i32.const 0))
 (global $steps (mut i32) (i32.const 0))
 (global $low (mut i64) (i64.const 0))
 (global $high (mut i64) (i64.const 0))
 (global $beyond (mut i32) (i32.const 0))`

/** A match may begin with any of these characters. Bit by bit, `[^a]` would take as long as the search. */
const BEGINS = `
(func $begins (param $from i32) (param $to i32)
 (if (i32.ge_u (local.get $to) (i32.const 128))
  (then
   (global.set $beyond (i32.const 1))
   (local.set $to (i32.const 127))))
 (if (i32.gt_u (local.get $from) (local.get $to)) (then (return)))
 (if (i32.lt_u (local.get $from) (i32.const 64))
  (then
   (global.set $low
    (i64.or (global.get $low) ${bits('(local.get $from)', smaller('(local.get $to)', '(i32.const 63)'))}))))
 (if (i32.ge_u (local.get $to) (i32.const 64))
  (then
   (global.set $high
    (i64.or (global.get $high) ${bits(larger('(local.get $from)', '(i32.const 64)'), '(local.get $to)')})))))`

/** … and with what differs in case. Only under the flag `u` are there others that fold to ASCII: `ſ` and the Kelvin sign. */
const FOLD = `
(func $fold (param $unicode i32)
 (global.set $high
  (i64.or (global.get $high)
   (i64.or
    (i64.shl (i64.and (global.get $high) (i64.const ${CAPITALS})) (i64.const 32))
    (i64.and (i64.shr_u (global.get $high) (i64.const 32)) (i64.const ${CAPITALS})))))
 (global.set $beyond (i32.or (global.get $beyond) (local.get $unicode))))`

/** 1 when every match of the bytecode at `pc` begins with one of the characters that stand in the globals then. */
const FIRST = `
(func $first (param $pc i32) (param $unicode i32) (result i32)
 (local $op i32) (local $char i32) (local $ranges i32)
 (loop $next
  (global.set $steps (i32.sub (global.get $steps) (i32.const 1)))
  (if (i32.lt_s (global.get $steps) (i32.const 0)) (then (return (i32.const 0))))
  (local.set $op (i32.load8_u (local.get $pc)))
  (if (i32.lt_u (i32.sub (local.get $op) (i32.const ${CHAR})) (i32.const 4))
   (then
    (local.set $char
     (if (result i32) (i32.lt_u (local.get $op) (i32.const ${CHAR + 2}))
      (then (i32.load16_u offset=1 align=1 (local.get $pc)))
      (else (i32.load offset=1 align=1 (local.get $pc)))))
    (call $begins (local.get $char) (local.get $char))
    (if (i32.eqz (i32.and (local.get $op) (i32.const 1))) (then (call $fold (local.get $unicode))))
    (return (i32.const 1))))
  (if (i32.eq (i32.and (local.get $op) (i32.const -2)) (i32.const ${RANGE}))
   (then
    (local.set $ranges (i32.load16_u offset=1 align=1 (local.get $pc)))
    (global.set $steps (i32.sub (global.get $steps) (local.get $ranges)))
    (if (i32.lt_s (global.get $steps) (i32.const 0)) (then (return (i32.const 0))))
    (loop $range
     (call $begins (i32.load16_u offset=3 align=1 (local.get $pc)) (i32.load16_u offset=5 align=1 (local.get $pc)))
     (local.set $pc (i32.add (local.get $pc) (i32.const 4)))
     (br_if $range (local.tee $ranges (i32.sub (local.get $ranges) (i32.const 1)))))
    (if (i32.and (local.get $op) (i32.const 1)) (then (call $fold (local.get $unicode))))
    (return (i32.const 1))))
  (if (i32.eq (local.get $op) (i32.const ${GOTO}))
   (then
    (local.set $pc (i32.add (i32.add (local.get $pc) (i32.const 5)) (i32.load offset=1 align=1 (local.get $pc))))
    (br $next)))
  (if (i32.eq (i32.and (local.get $op) (i32.const -2)) (i32.const ${SPLIT}))
   (then
    (if (i32.eqz
      (call $first
       (i32.add (i32.add (local.get $pc) (i32.const 5)) (i32.load offset=1 align=1 (local.get $pc)))
       (local.get $unicode)))
     (then (return (i32.const 0))))
    (local.set $pc (i32.add (local.get $pc) (i32.const 5)))
    (br $next)))${WITHOUT_WIDTH.map(
      ([first, last, octets]) => `
  (if (i32.le_u (i32.sub (local.get $op) (i32.const ${first})) (i32.const ${last - first}))
   (then
    (local.set $pc (i32.add (local.get $pc) (i32.const ${octets})))
    (br $next)))`,
    ).join('')})
 (i32.const 0))`

/**
 * In place of lre_exec. `length` and `index` count characters of 1 << `wide` octets. `pay` and `count` are what a loop with
 * a call and one without owe, in `fuel.ts`.
 */
const search = (pay: string, count: string) => `
(func $599 (param $capture i32) (param $pattern i32) (param $text i32) (param $index i32) (param $length i32)
 (param $wide i32) (param $opaque i32) (result i32)
 (local $flags i32) (local $char i32) (local $result i32) (local $left i32) (local $turns i32)
 (local.set $flags (i32.load16_u align=1 (local.get $pattern)))
 (global.set $steps (i32.const ${STEPS_MAX}))
 (global.set $low (i64.const 0))
 (global.set $high (i64.const 0))
 (global.set $beyond (i32.const 0))
 (block $anywhere
  (br_if $anywhere (i32.and (local.get $flags) (i32.const ${STICKY})))
  (br_if $anywhere
   (i32.eqz
    (call $first
     (i32.add (local.get $pattern) (i32.const ${HEADER_BYTES + SEARCH_BYTES}))
     (i32.ne (i32.and (local.get $flags) (i32.const ${UNICODE})) (i32.const 0)))))
  (br_if $anywhere (i32.and (local.get $wide) (global.get $beyond)))
  (br_if $anywhere
   (i64.gt_u (i64.add (i64.popcnt (global.get $low)) (i64.popcnt (global.get $high))) (i64.const ${FIRST_MAX})))
  (global.set $behind (i32.const ${SEARCH_BYTES}))
  (block $end
   (loop $try${pay}
    (block $found
     (loop $next${count}
      (br_if $end (i32.ge_s (local.get $index) (local.get $length)))
      (local.set $char
       (if (result i32) (local.get $wide)
        (then (i32.load16_u (i32.add (local.get $text) (i32.shl (local.get $index) (i32.const 1)))))
        (else (i32.load8_u (i32.add (local.get $text) (local.get $index))))))
      (br_if $found
       (if (result i32) (i32.lt_u (local.get $char) (i32.const 128))
        (then
         (i32.wrap_i64
          (i64.and (i64.const 1)
           (i64.shr_u
            (select (global.get $low) (global.get $high) (i32.lt_u (local.get $char) (i32.const 64)))
            (i64.extend_i32_u (local.get $char))))))
        (else (global.get $beyond))))
      (local.set $index (i32.add (local.get $index) (i32.const 1)))
      (br $next)))
    (local.set $result
     (call ${MATCHER} (local.get $capture) (local.get $pattern) (local.get $text) (local.get $index)
      (local.get $length) (local.get $wide) (local.get $opaque)))
    (local.set $index (i32.add (local.get $index) (i32.const 1)))
    (br_if $try (i32.eqz (local.get $result)))))
  (global.set $behind (i32.const 0))
  (return (local.get $result)))
 (call ${MATCHER} (local.get $capture) (local.get $pattern) (local.get $text) (local.get $index)
  (local.get $length) (local.get $wide) (local.get $opaque)))`

export const regexpFunctions = (pay: string, count: string): readonly string[] => [
  BEGINS,
  FOLD,
  FIRST,
  search(pay, count),
]
