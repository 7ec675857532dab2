import { userInfo } from 'node:os'
import { parseArgs } from 'node:util'
import { systemClock, systemRandom } from '../clock.ts'
import { findConfigFile } from '../config/index.ts'
import { openUserDatabase, type Users } from '../users/index.ts'
import { explain, load } from './configuration.ts'
import { askSecret } from './secret.ts'
import { table } from './table.ts'
import { command, UsageError } from './usage.ts'

const USAGE = `sms-proxy user list
sms-proxy user add EMAIL [--app-id ID | --new-app NAME]
    the password is asked for, or read from the standard input; without an app it is app 1, "default"
sms-proxy user delete ID
sms-proxy user admin ID on|off
sms-proxy user allow-ips APP_ID [NETWORK…]
    networks that the app may send from; none lifts the limit

All take --config FILE. A server that runs sees the change at once.
`

const SECRET_OCTETS = 24

/** `argv` follows the word `user`. */
export const user = (argv: string[]): Promise<number> =>
  command(USAGE, argv, async () => {
    const { values, positionals } = parseArgs({
      args: argv,
      allowPositionals: true,
      options: { config: { type: 'string' }, 'app-id': { type: 'string' }, 'new-app': { type: 'string' } },
    })
    const [word = '', ...words] = positionals
    const action = Object.hasOwn(ACTIONS, word) ? ACTIONS[word] : undefined
    if (!action) throw new UsageError(word === '' ? 'what shall be done?' : `there is no "user ${word}"`)
    if (word !== 'add' && (values['app-id'] ?? values['new-app']) !== undefined)
      throw new UsageError('--app-id and --new-app are for "user add": a list shows the app of each user')
    const loaded = load(values.config ?? findConfigFile())
    if ('problems' in loaded) return explain(loaded.problems)
    const { storage, security } = loaded.config
    const people = openUserDatabase({
      path: storage.db_path,
      tokenTtlSeconds: Math.floor(security.token_ttl / 1000),
      clock: systemClock,
      random: systemRandom,
    })
    try {
      process.stdout.write(
        await action(people.users, words, { appId: values['app-id'], newApp: values['new-app'] }),
      )
      return 0
    } finally {
      people.close()
    }
  })

interface Options {
  readonly appId: string | undefined
  readonly newApp: string | undefined
}

/** Answers what to print. */
type Action = (users: Users, words: readonly string[], options: Options) => string | Promise<string>

const ACTIONS: Readonly<Record<string, Action>> = {
  list(users, words) {
    none(words)
    const rows = users
      .list()
      .map(one => [one.id, one.email, one.isAdmin ? 'yes' : '', one.appId, one.appName])
    return rows.length === 0 ? 'no users yet\n' : table(['id', 'email', 'admin', 'app', 'app name'], rows)
  },
  async add(users, [email, ...rest], { appId, newApp }) {
    none(rest)
    if (email === undefined) throw new UsageError('whose address? user add EMAIL')
    if (appId !== undefined && newApp !== undefined) throw new UsageError('--app-id or --new-app, not both')
    const app = appId === undefined ? undefined : number('--app-id', appId)
    const there = users.list().find(({ appName }) => appName === newApp)
    if (there) throw new UsageError(`app ${newApp} is there: --app-id ${there.appId} adds a user to it`)
    const password = await askSecret('password')
    if (newApp === undefined) return `user ${await users.register(email, password, app, who())}\n`
    const appSecret = Buffer.from(systemRandom(SECRET_OCTETS)).toString('base64url')
    const id = await users.registerProxyUser({ email, password, appName: newApp, appSecret }, who())
    return `user ${id} of app ${users.user(id)?.appId}; the secret of app ${newApp}, shown this once: ${appSecret}\n`
  },
  delete(users, [id, ...rest]) {
    none(rest)
    users.delete(number('ID', id), who())
    return `user ${id} is deleted, and its tokens with it\n`
  },
  admin(users, [id, wanted, ...rest]) {
    none(rest)
    const userId = number('ID', id)
    if (wanted !== 'on' && wanted !== 'off') throw new UsageError('on or off? user admin ID on|off')
    const is = users.user(userId)?.isAdmin
    if (is !== (wanted === 'on')) users.toggleAdmin(userId, who())
    return `user ${userId} is ${wanted === 'on' ? 'an' : 'no'} admin\n`
  },
  'allow-ips'(users, [appId, ...networks]) {
    users.setAllowedIps(number('APP_ID', appId), networks, who())
    return networks.length === 0
      ? `app ${appId} may send from everywhere\n`
      : `app ${appId} may send from ${networks.join(', ')}\n`
  },
}

/** For the audit table: the account of the operating system. */
function who(): string {
  try {
    return `cli ${userInfo().username}`
  } catch {
    return 'cli'
  }
}

function none(words: readonly string[]): void {
  if (words.length > 0) throw new UsageError(`"${words[0]}" is one word too many`)
}

function number(name: string, text: string | undefined): number {
  if (text !== undefined && /^\d{1,15}$/.test(text)) return Number(text)
  throw new UsageError(`${name} must be a number${text === undefined ? '' : `, not "${text}"`}`)
}
