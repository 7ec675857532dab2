import { PARTITIONS } from './key.ts'
import { holds, type NamespaceReplicas } from './protocol/replicas.ts'

interface Table<Node> {
  /** By role (0 the master's), then by partition. */
  roles: (Node | undefined)[][]
  readonly regimes: Uint32Array
}

/** Which node holds which partition, as the nodes say of themselves. */
export class PartitionMap<Node> {
  readonly #tables = new Map<string, Table<Node>>()

  /** No node has told yet what it holds. */
  get empty(): boolean {
    return this.#tables.size === 0
  }

  has(namespace: string): boolean {
    return this.#tables.has(namespace)
  }

  /** The node that holds a partition in a role: 0 master, 1 and on its replicas. */
  node(namespace: string, partition: number, role: number): Node | undefined {
    return this.#tables.get(namespace)?.roles[role]?.[partition]
  }

  replicas(namespace: string): number {
    return this.#tables.get(namespace)?.roles.length ?? 0
  }

  /**
   * Takes in what `node` says it holds. An older regime than one already seen is not believed; of two nodes
   * that claim the same the later wins, and the earlier is answered, so that it is asked again.
   */
  update(node: Node, said: readonly NamespaceReplicas[]): ReadonlySet<Node> {
    const displaced = new Set<Node>()
    for (const { namespace, regime, bitmaps } of said) {
      const table = this.#table(namespace)
      table.roles.length = bitmaps.length
      for (const [role, bitmap] of bitmaps.entries()) {
        const owners = table.roles[role] ?? new Array<Node | undefined>(PARTITIONS).fill(undefined)
        table.roles[role] = owners
        for (let partition = 0; partition < PARTITIONS; partition++) {
          if (!holds(bitmap, partition) || regime < (table.regimes[partition] ?? 0)) continue
          table.regimes[partition] = regime
          const before = owners[partition]
          if (before !== undefined && before !== node) displaced.add(before)
          owners[partition] = node
        }
      }
    }
    return displaced
  }

  /** Forgets a node that has left. */
  remove(node: Node): void {
    for (const table of this.#tables.values()) {
      for (const owners of table.roles) {
        for (let partition = 0; partition < PARTITIONS; partition++)
          if (owners[partition] === node) owners[partition] = undefined
      }
    }
  }

  #table(namespace: string): Table<Node> {
    let table = this.#tables.get(namespace)
    if (!table) {
      table = { roles: [], regimes: new Uint32Array(PARTITIONS) }
      this.#tables.set(namespace, table)
    }
    return table
  }
}
