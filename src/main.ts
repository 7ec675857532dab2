import './allocator.ts'

const { run } = await import('./cli/cli.ts')

process.exitCode = await run(process.argv.slice(2))
