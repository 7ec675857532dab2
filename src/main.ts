import { run } from './cli/cli.ts'

const code = await run(process.argv.slice(2))
// It is set already where the output could not be written.
process.exitCode ||= code
