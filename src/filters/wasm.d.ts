/** A wasm file imported `with { type: 'file' }`: where it is, inside a compiled binary too. */
declare module '*.wasm' {
  const path: string
  export default path
}
