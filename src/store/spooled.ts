import { isAway } from './aerospike_faults.ts'
import type { ClusterStore, SpoolOptions } from './spool_runner.ts'
import { SpooledStore } from './spooled_store.ts'

export interface SpooledOptions extends Omit<SpoolOptions, 'cluster' | 'node'> {
  /** This installation, and no other: the same after a restart. */
  readonly instance: string
}

/**
 * Opens the cluster and puts the spool before it; closes the spool when that fails. A gateway that had its number
 * in an earlier life needs no cluster to start: it spools, and goes on looking.
 */
export async function openSpooledStore({ instance, ...options }: SpooledOptions): Promise<SpooledStore> {
  const { spool, open, log } = options
  let cluster: ClusterStore | undefined
  try {
    cluster = await open()
    await spool.keepNode(instance, cluster.node)
    return new SpooledStore({ ...options, cluster, node: cluster.node })
  } catch (error) {
    await cluster?.close()
    const node = isAway(error) ? spool.nodeOf(instance) : undefined
    if (node !== undefined) {
      log.warn({ err: error, node }, 'the cluster is away: started without it, messages are spooled')
      return new SpooledStore({ ...options, cluster: undefined, node })
    }
    await spool.close()
    throw error
  }
}
