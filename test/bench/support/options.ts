/** `--long`: a million messages instead of some seconds of them, ten million rows instead of one. */
export const long = process.argv.includes('--long')
