import {
  type Check,
  type Loaded,
  loadConfig,
  type Problem,
  showProblem,
  unreadable,
} from '../config/index.ts'
import { isPublicKey, NO_PUBLIC_KEY } from '../licence/document.ts'
import { fileOfRules, readRules } from '../settings.ts'

/** Rules that do not fit the pools are as wrong as the rest of the configuration. */
const rules: Check = config => {
  const file = fileOfRules(config)
  // Of a file that is not there the configuration's own checks tell.
  if (file !== undefined && unreadable(file) !== undefined) return []
  const read = readRules(config)
  return 'problems' in read ? read.problems : []
}

const publicKey: Check = ({ license: { public_key } }) =>
  public_key === '' || isPublicKey(public_key) ? [] : [{ path: 'license.public_key', message: NO_PUBLIC_KEY }]

/** The configuration as a command wants it: of the file, or of the environment alone. */
export const load = (file: string | undefined): Loaded => loadConfig(file, process.env, [rules, publicKey])

/** Says all that is wrong; answers the exit code. */
export function explain(problems: readonly Problem[]): 2 {
  process.stderr.write(`${problems.map(showProblem).join('\n')}\n`)
  return 2
}
