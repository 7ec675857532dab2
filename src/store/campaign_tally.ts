/** Counts of campaigns, by whichever store. */

import { type CampaignTally, OTHER_CAMPAIGNS } from './store.ts'

/** `sme campaign`: no two tallies have the same. */
export const tallyName = ({ campaign, sme }: Pick<CampaignTally, 'campaign' | 'sme'>): string =>
  `${sme} ${campaign}`

export function parseName(name: string): { campaign: string; sme: number } {
  const space = name.indexOf(' ')
  return { campaign: name.slice(space + 1), sme: Number(name.slice(0, space)) }
}

/** What counts it where there is no room for its name. */
export const amongOthers = <T extends { readonly campaign: string }>(tally: T): T => ({
  ...tally,
  campaign: OTHER_CAMPAIGNS,
})

/** One of each name. */
export function addUp(tallies: readonly CampaignTally[]): CampaignTally[] {
  const sums = new Map<string, CampaignTally>()
  for (const tally of tallies) {
    const name = tallyName(tally)
    const { sent = 0, failed = 0 } = sums.get(name) ?? {}
    sums.set(name, { ...tally, sent: sent + tally.sent, failed: failed + tally.failed })
  }
  return [...sums.values()]
}

/** What is left of each when `part` is taken off. */
export function without(all: readonly CampaignTally[], part: readonly CampaignTally[]): CampaignTally[] {
  const known = new Map(part.map(tally => [tallyName(tally), tally]))
  return all.map(tally => {
    const { sent = 0, failed = 0 } = known.get(tallyName(tally)) ?? {}
    return { ...tally, sent: tally.sent - sent, failed: tally.failed - failed }
  })
}

export const isNone = ({ sent, failed }: CampaignTally): boolean => sent === 0 && failed === 0

export const messagesIn = (tallies: readonly CampaignTally[]): number =>
  tallies.reduce((messages, { sent, failed }) => messages + sent + failed, 0)
