/** What the reference does not have; `operator.test.ts` tests each. */
export const OPERATOR_ROWS: readonly string[] = [
  'GET /api/v1/admin/inbox',
  'GET /api/v1/admin/receipts/unmatched',
  'GET /api/v1/admin/filters',
  'POST /api/v1/admin/filters/test',
  'POST /api/v1/admin/route/explain',
]
