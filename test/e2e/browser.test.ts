import { expect, setDefaultTimeout, test } from 'bun:test'
import { existsSync, mkdtempSync, rmSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { type BrowserContext, chromium, type Locator, type Page } from 'playwright-core'
import { startSmsc } from '../support/smsc.ts'
import { ADMIN_KEY, startGateway } from './gateway.ts'

/** Swagger UI in a real browser that finds no host but this one. */

setDefaultTimeout(240_000)

const CHROMIUM = ['/usr/bin/chromium', '/usr/bin/chromium-browser', '/usr/bin/google-chrome'].find(existsSync)

async function openBrowser(folder: string): Promise<BrowserContext> {
  return chromium.launchPersistentContext(folder, {
    executablePath: CHROMIUM ?? '',
    headless: true,
    viewport: { width: 1200, height: 1600 },
    args: [
      '--no-sandbox',
      '--disable-gpu',
      '--disable-quic',
      '--no-first-run',
      '--disable-background-networking',
      '--disable-component-update',
      '--disable-sync',
      '--host-resolver-rules=MAP * ~NOTFOUND, EXCLUDE 127.0.0.1',
    ],
  })
}

/** Opens the operation, fills its body in and answers what came back. */
async function execute(page: Page, operation: string, body: object): Promise<Record<string, unknown>> {
  const block: Locator = page.locator(`[id$="-${operation}"]`)
  if (!(await block.getAttribute('class'))?.includes('is-open')) {
    await block.locator('.opblock-summary-control').click()
  }
  await block.locator('textarea.body-param__text').fill(JSON.stringify(body))
  await block.locator('button.execute').click()
  const answer = block.locator('.live-responses-table .response-col_description .microlight').first()
  return JSON.parse(await answer.innerText())
}

test.skipIf(CHROMIUM === undefined)(
  'Swagger UI in Chromium logs in, authorises, sends a message and sees it delivered, and asks nobody else',
  async () => {
    await using smsc = startSmsc()
    await using gateway = await startGateway({ links: [{ port: smsc.port }] })
    await gateway.asApp()
    const folder = mkdtempSync(join(tmpdir(), 'sms-proxy-browser-'))
    const browser = await openBrowser(folder)
    try {
      const page = await browser.newPage()
      const asked: string[] = []
      const complaints: string[] = []
      browser.on('request', request => asked.push(request.url()))
      page.on('console', line => {
        if (line.type() === 'error') complaints.push(line.text())
      })
      page.on('pageerror', error => complaints.push(error.message))

      await page.goto(`${gateway.url}/swagger`)
      await page.locator('.opblock').first().waitFor()
      const login = await execute(page, 'login', { ...gateway.user, app_id: 1 })
      expect(login).toEqual({ token: expect.stringContaining('.'), error: '' })

      await page.locator('.auth-wrapper .authorize').first().click()
      const dialog = page.locator('.modal-ux')
      const fillIn = async (scheme: string, value: string): Promise<void> => {
        const form = dialog.locator('.auth-container').filter({ hasText: scheme })
        await form.locator('input').fill(value)
        await form.locator('button.authorize').click()
      }
      await fillIn('Token', String(login.token))
      await fillIn('X-App-ID', '1')
      await fillIn('X-Admin-Key', ADMIN_KEY)
      await dialog.locator('button.btn-done').first().click()

      const sent = await execute(page, 'sendSms', {
        ...{ esme: 1, source: '+123456789', destination: '+987654321' },
        ...{ message: 'Hello world', transaction_id: 'tx-001' },
      })
      expect(sent).toMatchObject({ success: true, status: 'submitted', transaction_id: 'tx-001' })
      const info = await gateway.until(
        () => execute(page, 'smsInfo', { esme: 1, message_id: sent.message_id }),
        ({ status }) => status === 'delivered',
      )
      expect(info).toMatchObject({ parts: { '1': 'delivered' }, delivered_count: 1 })

      expect(asked.length).toBeGreaterThan(5)
      expect(asked.filter(url => !url.startsWith(`${gateway.url}/`) && !url.startsWith('data:'))).toEqual([])
      expect(complaints).toEqual([])
    } finally {
      await browser.close()
      rmSync(folder, { recursive: true, force: true })
    }
  },
)
