import { type Static, type TSchema, TypeGuard } from '@sinclair/typebox'
import { type TypeCheck, TypeCompiler, type ValueError, ValueErrorType } from '@sinclair/typebox/compiler'
import { badRequest } from './problem.ts'

/** A value of the schema's type, or a 400 that names the field. */
export type Check<T> = (value: unknown) => T

/** Compiled at the first body, once: the start-up does not wait for it. */
export function compile<S extends TSchema>(schema: S): Check<Static<S>> {
  let compiled: TypeCheck<S> | undefined
  return value => {
    compiled ??= TypeCompiler.Compile(schema)
    if (compiled.Check(value)) return value
    for (const error of compiled.Errors(value)) if (!fits(error)) throw badRequest(describe(error))
    return value as Static<S>
  }
}

/** JSON Schema, and so the document, counts characters; TypeBox counts one beyond U+FFFF twice. */
const fits = ({ type, value, schema }: ValueError): boolean =>
  type === ValueErrorType.StringMaxLength && [...String(value)].length <= Number(schema.maxLength)

function describe(error: ValueError): string {
  if (error.path === '') return 'the body must be a JSON object'
  const field = error.path.slice(1).split('/').map(unescaped).join('.')
  if (error.type === ValueErrorType.ObjectRequiredProperty) return `${field} is required`
  if (error.type === ValueErrorType.ObjectAdditionalProperties) return `unknown field "${clip(field)}"`
  if (error.type === ValueErrorType.StringMinLength && error.schema.minLength === 1)
    return TypeGuard.IsOptional(error.schema) ? `${field} is empty: leave it out` : `${field} is required`
  const choices = choicesOf(error.schema)
  if (choices) return `${field}: expected ${choices.map(choice => `"${choice}"`).join(' or ')}`
  return `${clip(field)}: ${error.message.replace(/^Expected/, 'expected')}`
}

/** The texts among which a schema lets choose (a union of literals); undefined for any other schema. */
export function choicesOf(schema: Readonly<Record<string, unknown>>): readonly string[] | undefined {
  if (!Array.isArray(schema.anyOf)) return undefined
  const texts = schema.anyOf.map((one: { const?: unknown }) => one.const)
  return texts.every(text => typeof text === 'string') ? texts : undefined
}

/** A member's name out of a JSON Pointer (RFC 6901 §4). */
const unescaped = (step: string): string => step.replaceAll('~1', '/').replaceAll('~0', '~')

/** A field's name comes from the caller, and need not come back at its full length. */
const clip = (text: string): string => (text.length > 64 ? `${text.slice(0, 64)}…` : text)
