import { type FilterMessage, PASS, type Verdict } from './filter.ts'
import type { FiltersOptions, Inspection, InspectionRequest, TestRequest, TestResult } from './index.ts'

/**
 * What the gateway's thread and the filters' say to each other. Messages go several in one string, and so do verdicts: a
 * string is copied as it is, where the same in objects is walked and costs several times as much.
 */

/** The options that a thread can be told; clock and log stay where they are. */
export type Settings = Omit<FiltersOptions, 'clock' | 'logger' | 'swapped'>

export type Task =
  | { readonly kind: 'open'; readonly settings: Settings }
  | { readonly kind: 'inspect'; readonly request: InspectionRequest | undefined }
  | { readonly kind: 'test'; readonly request: TestRequest }
  | { readonly kind: 'reload' }
  | { readonly kind: 'close' }

export interface Answers {
  readonly open: undefined
  readonly inspect: Inspection
  readonly test: TestResult
  readonly reload: undefined
  readonly close: undefined
}

export type ToFilters = string | { readonly id: number; readonly task: Task }

export type FromFilters =
  | string
  /** What became of a task: its value, or why there is none. */
  | { readonly id: number; readonly value: Answers[Task['kind']] }
  | { readonly id: number; readonly error: string }
  /** How many filters are asked from now on. */
  | { readonly active: number }
  | { readonly level: 'info' | 'warn'; readonly fields: object; readonly text: string }

export const writeMessages = (batch: readonly FilterMessage[]): string => JSON.stringify(batch)

export const readMessages = (text: string): readonly FilterMessage[] => JSON.parse(text)

const ALL_PASS = ''

/** Most often nothing is refused, which takes no words. */
export const writeVerdicts = (verdicts: readonly Verdict[]): string =>
  verdicts.every(verdict => verdict.pass) ? ALL_PASS : JSON.stringify(verdicts)

/** Which of the filters would have refused, nobody knows. */
export const UNANSWERED: Verdict = {
  pass: false,
  filter: '*',
  reason: 'the filters are out of use for a moment',
}

/** The verdict of each place in the batch. */
export function readVerdicts(text: string): (at: number) => Verdict {
  if (text === ALL_PASS) return () => PASS
  const verdicts: readonly Verdict[] = JSON.parse(text)
  return at => verdicts[at] ?? UNANSWERED
}
