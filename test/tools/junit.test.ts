import { expect, test } from 'bun:test'
import { countTests, emptyFiles, failedTests } from '../../.tools/junit.mjs'

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

test('a file is empty when none of its tests is in the report, whatever became of those of others', () => {
  const xml = `<testsuites tests="2" failures="1" skipped="1">
  <testsuite name="test/c.test.ts" file="test/c.test.ts" tests="0" />
  <testcase name="later" file="test/a.test.ts" line="3">
    <skipped />
  </testcase>
  <testcase name="fails in test/c.test.ts" file="test/b.test.ts" line="7">
    <failure type="TimeoutError" message="test timed out" />
  </testcase>
</testsuites>`
  const files = ['test/a.test.ts', 'test/b.test.ts', 'test/c.test.ts']
  expect(emptyFiles(xml, files)).toEqual(['test/c.test.ts'])
})

test('each test that failed is told with its file, line, name and message; one that passed or was skipped is not', () => {
  const xml = `<testsuites tests="4" failures="2" skipped="1">
  <testcase name="ok" classname="" file="a.test.ts" line="1" assertions="1" />
  <testcase name="says &quot;1 &lt; 2&quot;" classname="x" file="a.test.ts" line="2">
    <failure type="AssertionError" message="Expected: 2&#10;Received: 1&#10;">AssertionError</failure>
  </testcase>
  <testcase name="later" file="a.test.ts" line="3">
    <skipped />
  </testcase>
  <testcase name="ends in time" file="b.test.ts" line="7">
    <failure type="TimeoutError" message="test timed out" />
  </testcase>
</testsuites>`
  expect(failedTests(xml)).toEqual([
    'a.test.ts:2 says "1 < 2"\n    Expected: 2\n    Received: 1',
    'b.test.ts:7 ends in time\n    test timed out',
  ])
})
