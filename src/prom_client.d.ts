/**
 * What is used of prom-client: its writer of the text format. Its index also loads what pushes and what joins a cluster's
 * metrics, with node:http and node:cluster, 10 ms of a start; its own counters took most of the time of a scrape.
 */
declare module 'prom-client/lib/registry.js' {
  export interface Sample {
    /** That of the family where it has none. */
    readonly metricName?: string
    readonly labels: Readonly<Record<string, string | number>>
    readonly value: number
  }
  interface Metric {
    get(): Promise<{
      readonly name: string
      readonly help: string
      readonly type: string
      readonly values: readonly Sample[]
    }>
  }
  export default class Registry {
    /** Without a line feed at its end (prom-client 15; its own types leave it out). */
    getMetricsAsString(metric: Metric): Promise<string>
  }
}
