import { expect, test } from 'bun:test'
import { countTests } from '../../.tools/junit.mjs'

test('a report is counted by its root element, not by its suites', () => {
  const xml = `<?xml version="1.0"?>
<testsuites name="bun test" tests="9" assertions="20" failures="2" skipped="1" time="0.2">
  <testsuite name="a" tests="5" failures="5" skipped="0"/>
</testsuites>`
  expect(countTests(xml)).toEqual({ passed: 6, failed: 2, skipped: 1 })
})

test('what is no report is an error, never nought failures', () => {
  expect(() => countTests('')).toThrow('no JUnit report')
})
