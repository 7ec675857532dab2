import { readFileSync } from 'node:fs'
import { dirname } from 'node:path'
import type { Clock, Random } from './clock.ts'
import { type Config, describeConfig, showPublicly } from './config/index.ts'
import { GatewayError, messageOf } from './errors.ts'
import { createExplain } from './explain.ts'
import { broken, cannotBeUsed, type OpenFilters, openFilters } from './filters/index.ts'
import { type FilterThread, openFilterThread } from './filters/thread.ts'
import { createApp } from './http/app.ts'
import type { HttpDependencies } from './http/dependencies.ts'
import { createIds } from './ids.ts'
import { createLate } from './late.ts'
import { type Licence, openLicence } from './licence/licence.ts'
import type { Log } from './log.ts'
import { openMessageStore } from './message_store.ts'
import { Network } from './network.ts'
import { createNumbers } from './numbers.ts'
import { createRateLimiter } from './rate_limit.ts'
import { createReceive } from './receipt.ts'
import type { Rules } from './routing/rules.ts'
import { watchRules } from './rules_watch.ts'
import { fileOfRules, ipList, networkSettings, readRules } from './settings.ts'
import { connect } from './smpp/net.ts'
import { References } from './smpp/text/reference.ts'
import { processors } from './stats/cgroup.ts'
import { countSends } from './stats/sends.ts'
import { startSweeper } from './store/sweeper.ts'
import { createSubmit, type PartTag } from './submit.ts'
import { openUserDatabase } from './users/index.ts'
import { COMMIT, VERSION } from './version.ts'
import { filterViews, linkView, poolViews, readiness } from './views.ts'

export interface GatewayParts {
  readonly clock: Clock
  readonly random: Random
  readonly log: Log
  /** Reads the configuration anew, for a reload; throws a GatewayError `invalid` with all that is wrong. */
  readonly readConfig: () => Config
}

export interface Gateway {
  /** The port that the HTTP server listens on. */
  readonly port: number
  /** Takes over rules, filters, links and limits of the configuration as it now stands, or throws and keeps the old. */
  reload(who: string): Promise<void>
  /** Finishes what is in flight (up to `shutdown_timeout`), unbinds, closes the store. */
  stop(): Promise<void>
}

/** Builds all parts in the order in which they need each other, and stops them in reverse. */
export async function startGateway(initial: Config, parts: GatewayParts): Promise<Gateway> {
  const { clock, random, log } = parts
  let config = initial
  const closers: (() => unknown)[] = []
  const closeAll = async (): Promise<void> => {
    for (const close of closers.splice(0).reverse()) {
      try {
        await close()
      } catch (error) {
        // The others still have to: the links unbind, the store writes what waits.
        log.error({ err: error }, 'a part did not stop cleanly')
      }
    }
  }
  /** What is opened here is closed at the end, or at once when a later part does not start. */
  const closing = <T>(part: T, close: (part: T) => unknown): T => {
    closers.push(() => close(part))
    return part
  }

  try {
    // The filters make ready while the store is opened.
    const filterOptions = {
      dir: config.filters.dir,
      timeoutMs: config.filters.timeout,
      memoryBytes: config.filters.memory,
      onError: config.filters.on_error,
      clock,
      logger: log.child('filters'),
    }
    // On one core a thread of their own takes more than it gives.
    const opening: Promise<OpenFilters | FilterThread> =
      (await processors()) >= 2
        ? openFilterThread({ ...filterOptions, start: startFilters })
        : openFilters(filterOptions)
    closing(
      opening.catch(() => undefined),
      async each => (await each)?.close(),
    )

    // State: users and messages.
    const people = closing(
      openUserDatabase({
        path: config.storage.db_path,
        tokenTtlSeconds: Math.floor(config.security.token_ttl / 1000),
        clock,
        random,
      }),
      each => each.close(),
    )
    const { store, node, sweepPace, spool, lastIds } = await openMessageStore(config, {
      clock,
      random,
      log: log.child('store'),
    })
    closing(store, each => each.close())
    // All that is open is of an earlier life, also where the clock was set back since.
    const recovered = await store.recover(Number.MAX_SAFE_INTEGER).catch((cause: unknown) => {
      const why = store.fault() ?? messageOf(cause)
      throw new Error(`the messages that were left open cannot be ended: ${why}`, { cause })
    })
    if (recovered > 0) log.warn({ messages: recovered }, 'left open by a crash: now unknown')
    closing(startSweeper(store, clock, log, sweepPace), stop => stop())

    // Decisions: licence, filters, rules, limits.
    const licence = await openLicence({
      file: config.license.file,
      publicKey: config.license.public_key,
      clock,
      log: log.child('licence'),
    })
    const filters = await opening
    const limits = {
      global: createRateLimiter(clock, config.rate_limit.global),
      perApp: createRateLimiter(clock, config.rate_limit.per_app),
    }
    let ips = ipsOf(config)
    const rulesWatch = closing(
      await watchRules({
        file: () => fileOfRules(config),
        take: () => {
          rules = rulesOf(config)
          network.follow(rules)
          log.info({ rules: rules.list.length }, 'rules changed')
        },
        clock,
        log: log.child('rules'),
      }),
      each => each.stop(),
    )
    let rules = rulesOf(config)

    // The way to the SMSCs and back.
    const ids = createIds(clock, random, node, lastIds)
    const { receive, counts: receipts } = createReceive({ store, ids, clock, log: log.child('receipts') })
    const smppLog = log.child('smpp')
    const late = createLate({ store, clock, log: smppLog })
    const network = closing(
      new Network(networkSettings(config, rules), {
        clock,
        log: smppLog,
        smpp: { connect, clock, random, log: smppLog },
        deliver: receive,
        late: (tag, answer) => void late(tag as PartTag, answer),
        switchedOn: id => people.linkSwitches.enabled(id),
        licence: { connectionsMax: () => licence.current().max_connections, tps: licence.tps },
      }),
      each => each.close(),
    )
    const references = new References(random)
    const shared = {
      filters,
      hasEsme: (id: number) => network.hasLink(id),
      partsMax: () => config.smpp.max_parts,
      licensed: () => requireLicence(licence),
    }
    const { submit, counts: sends } = countSends(
      createSubmit({
        ...shared,
        route: message => network.route(message),
        store,
        ids,
        clock,
        reference: destination => references.next(destination),
      }),
    )
    const explain = createExplain({ ...shared, network, store, clock, onError: config.filters.on_error })

    const numbers = closing(
      createNumbers(clock, dirname(config.storage.db_path), {
        sends: () => sends,
        // A scrape has all else while their thread is made anew.
        filters: async () => {
          try {
            return (await filters.inspect()).filters
          } catch {
            return []
          }
        },
        rules: () => ({ count: rules.list.length, broken: rulesWatch.error() !== '' }),
        links: () =>
          network.links().map(({ settings, state, stats }) => {
            return { name: settings.name, limitTps: settings.limitTps, state, stats }
          }),
        queues: () => network.queues(),
        store: () => ({ ...store.counts(), faulty: store.fault() !== undefined }),
        spool: () => spool?.spoolCounts(),
        rateLimits: () => [
          ['global', limits.global.refused],
          ['app', limits.perApp.refused],
        ],
        receipts: () => receipts,
        licence: () => licence.current(),
      }),
      each => each.stop(),
    )

    // The door.
    let stopping = false
    const requireRunning = (): void => {
      if (stopping) throw new GatewayError('unavailable', 'the gateway is stopping')
    }
    const reload = async (who: string): Promise<void> => {
      requireRunning()
      const next = parts.readConfig()
      rulesOf(next)
      await filters.reload()
      requireRunning()
      const inspection = await Promise.resolve(filters.inspect()).catch((error: unknown) => {
        requireRunning()
        throw error
      })
      const unusable = broken(inspection)
      if (unusable.length > 0) throw new GatewayError('invalid', cannotBeUsed(unusable))
      // A link that began now would be closed by nobody, and keep the process from its end.
      requireRunning()
      // Again, since the file may have changed meanwhile, and been taken.
      const nextRules = rulesOf(next)
      const nextNetwork = networkSettings(next, nextRules)
      // From here on nothing may fail: what is refused is refused whole.
      people.audit.record(who, 'reload', 'configuration', '')
      network.apply(nextNetwork)
      limits.global.configure(next.rate_limit.global)
      limits.perApp.configure(next.rate_limit.per_app)
      ips = ipsOf(next)
      rules = nextRules
      rulesWatch.taken()
      config = reloaded(config, next)
      log.info({ who }, 'configuration read anew: rules, filters, links and limits hold from now on')
      const unchanged = differing(config, next)
      if (unchanged.length > 0)
        log.warn({ sections: unchanged }, 'changed, and in force after a restart only')
    }
    const deps: HttpDependencies = {
      clock,
      log: log.child('http'),
      users: people.users,
      submit,
      explain,
      info: async (appId, id) => {
        const message = await store.find(id)
        return message?.appId === appId ? message : undefined
      },
      links: {
        list: () => network.links().map(linkView),
        byId: id => {
          const link = network.link(id)
          return link && linkView(link)
        },
        sessions: () => network.sessions(),
        toggle: async (id, enabled, reason, who) => {
          people.linkSwitches.set(id, enabled, who, reason)
          log.info({ link: id, enabled, reason, who }, 'link switched')
          network.bindLinks()
        },
      },
      pools: () => poolViews(network),
      store,
      filters,
      licence: {
        current: licence.current,
        upload: async (file, who) => {
          const now = await licence.upload(file)
          // Its max_connections hold at once.
          network.bindLinks()
          const { company, valid_until, max_connections, max_tps } = now
          const terms = `valid until ${valid_until}, max_connections ${max_connections}, max_tps ${max_tps}`
          people.audit.record(who, 'upload licence', company, terms)
          log.info({ ...now, who }, 'licence uploaded')
          return now
        },
      },
      stats: numbers.stats,
      metrics: numbers.metrics,
      rateLimits: limits,
      ips: {
        get allowed() {
          return ips.allowed
        },
        get trustedProxies() {
          return ips.trustedProxies
        },
      },
      serverConfig: async () =>
        describeConfig(config, {
          rulesLoaded: rules.list.length > 0,
          rulesError: rulesWatch.error(),
          filters: filterViews(await filters.inspect()),
        }),
      reload,
      ready: () => readiness(stopping, store, network, spool?.warning()),
    }
    const app = createApp(deps, {
      version: VERSION,
      adminKey: config.adminKey,
      openRoutes: config.security.open_routes,
      tls: config.tls && {
        cert: readFileSync(config.tls.cert, 'utf8'),
        key: readFileSync(config.tls.key, 'utf8'),
      },
    })
    const server = closing(app.listen(config.endpoint.port, config.endpoint.host), async each => {
      stopping = true
      await each.stop(config.shutdown_timeout, () => network.closePools())
      // A message that waits for them still ends in the store, as one does that waits in a pool.
      await filters.close()
      network.closePools()
    })
    // Only now: a gateway whose port is taken leaves the accounts at the SMSCs alone.
    network.bindLinks()
    log.info({ host: config.endpoint.host, port: server.port, version: VERSION, commit: COMMIT }, 'listening')
    return { port: server.port, reload, stop: closeAll }
  } catch (error) {
    await closeAll()
    throw error
  }
}

/** Here, since in a binary such a path begins where `main.ts` is, whichever file it stands in. */
const startFilters = (): Worker =>
  new Worker(new URL('./filters/filters.worker.ts', import.meta.url).href, { smol: true })

const ipsOf = ({ security }: Config) => ({
  allowed: ipList(security.allowed_ips),
  trustedProxies: ipList(security.trusted_proxies),
})

/** What a reload takes over; all else stays in force as it was at the start, and is shown so. */
const reloaded = (config: Config, { smpp, rate_limit, security }: Config): Config => ({
  ...config,
  smpp,
  rate_limit,
  security: {
    ...config.security,
    allowed_ips: security.allowed_ips,
    trusted_proxies: security.trusted_proxies,
  },
})

const differing = (a: Config, b: Config): readonly string[] =>
  (Object.keys(b) as (keyof Config)[]).filter(section => !Bun.deepEquals(a[section], b[section]))

function rulesOf(config: Config): Rules {
  const read = readRules(config)
  if ('rules' in read) return read.rules
  const words = read.problems.map(problem => showPublicly({ place: 'smpp.rules', ...problem }))
  throw new GatewayError('invalid', words.join('\n'))
}

function requireLicence(licence: Licence): void {
  if (licence.expired()) throw new GatewayError('licence_expired', 'license expired')
}
