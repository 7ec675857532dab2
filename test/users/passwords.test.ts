import { expect, test } from 'bun:test'
import { argon2id, bounded, DUMMY_HASH } from '../../src/users/passwords.ts'

test('passwords are kept as Argon2id, salted, and the dummy costs as much as a real one', async () => {
  const [one, two] = await Promise.all([argon2id.hash('secret'), argon2id.hash('secret')])
  const parameters = (hash: string) => hash.split('$').slice(0, 4)
  expect(parameters(one)).toEqual(['', 'argon2id', 'v=19', 'm=19456,t=2,p=1'])
  expect(parameters(DUMMY_HASH)).toEqual(parameters(one))
  expect(one).not.toBe(two)
  expect(await argon2id.verify('secret', one)).toBe(true)
  expect(await argon2id.verify('Secret', one)).toBe(false)
  expect(await argon2id.verify('secret', DUMMY_HASH)).toBe(false)
})

test('a stored form that is no hash fits no secret', async () => {
  expect(await argon2id.verify('random:00', 'random:00')).toBe(false)
})

test('a flood is worked off a few at a time, in order, and past the queue it is sent away', async () => {
  const started: string[] = []
  const gates = new Map<string, PromiseWithResolvers<boolean>>()
  const work = (password: string): Promise<boolean> => {
    started.push(password)
    const gate = Promise.withResolvers<boolean>()
    gates.set(password, gate)
    return gate.promise
  }
  const slow = { verify: work, hash: (password: string) => work(password).then(String) }
  const { hash, verify } = bounded(slow, { atOnceMax: 2, waitingMax: 2 })
  const calls = [verify('a', ''), hash('b'), verify('c', ''), hash('d')]
  await expect(verify('e', '')).rejects.toMatchObject({ code: 'unavailable' })
  await expect(hash('e')).rejects.toMatchObject({ code: 'unavailable' })
  await Bun.sleep(0)
  expect(started).toEqual(['a', 'b'])
  gates.get('b')?.reject(new Error('broken'))
  await Promise.allSettled([calls[1]])
  // A newcomer does not take the turn that was passed on.
  const newcomer = verify('f', '')
  await Bun.sleep(0)
  expect(started).toEqual(['a', 'b', 'c'])
  gates.get('a')?.resolve(true)
  gates.get('c')?.resolve(true)
  await Promise.all([calls[0], calls[2]])
  await Bun.sleep(0)
  expect(started).toEqual(['a', 'b', 'c', 'd', 'f'])
  gates.get('d')?.resolve(true)
  gates.get('f')?.resolve(true)
  expect([await calls[3], await newcomer]).toEqual(['true', true])
})
