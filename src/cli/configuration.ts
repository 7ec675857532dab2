import {
  type Check,
  findConfigFile,
  type Loaded,
  loadConfig,
  type Problem,
  showProblem,
} from '../config/index.ts'
import { fileOfRules, readRules } from '../settings.ts'

/** Rules that do not fit the pools are as wrong as the rest of the configuration. */
const rules: Check = config => {
  const read = readRules(config)
  if (!('problems' in read)) return []
  const file = fileOfRules(config)
  return read.problems.map(({ path, message }) =>
    file === undefined
      ? { path: path.replace(/^rules/, 'smpp.rules'), message }
      : { place: file, path, message },
  )
}

/** The configuration as a command wants it: of the file named, else of the first that is found. */
export const load = (file: string | undefined): Loaded =>
  loadConfig(file ?? findConfigFile(), process.env, [rules])

/** Says all that is wrong; answers the exit code. */
export function explain(problems: readonly Problem[]): 2 {
  process.stderr.write(`${problems.map(showProblem).join('\n')}\n`)
  return 2
}
