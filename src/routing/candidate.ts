/**
 * Why a link can take nothing now: no session that sends; its window, its TPS, the licence's or a pause; a long
 * message that is on its way over it; it asked for patience with this message.
 */
export type Obstacle = 'not_bound' | 'no_room' | 'lane' | 'patience'

/** A link of a pool, and why it would be taken for a message or not. */
export type Candidate<Link> =
  | {
      readonly link: Link
      readonly taken: true
      /** Has messages to the same handset unanswered; asked for; by strategy; set aside, and there is no other. */
      readonly reason: 'destination' | 'preferred' | 'strategy' | 'last_resort'
    }
  | {
      readonly link: Link
      readonly taken: false
      /**
       * Beside an obstacle: another link has messages to the same handset unanswered; it is set aside, for it
       * answers badly; it was, and this message is not in its share; another link was taken.
       */
      readonly reason: Obstacle | 'destination' | 'set_aside' | 'returning' | 'another'
    }

/** Health and strategy as a pick asks them: for a message, or only to explain. */
export interface Judges<Link> {
  admits(link: Link): boolean
  choose(open: readonly Link[]): Link
}
