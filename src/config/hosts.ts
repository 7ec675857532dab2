/** `aero-1.local, aero-2.local:3100, [::1]:3000`, or the first that is no host. */
export function parseHosts(
  text: string,
  port: number,
):
  | { readonly hosts: readonly { readonly host: string; readonly port: number }[] }
  | { readonly wrong: string } {
  const hosts: { host: string; port: number }[] = []
  for (const each of text.split(',').map(part => part.trim())) {
    const { ipv6, name, own } = FORM.exec(each)?.groups ?? {}
    const host = ipv6 ?? name
    const asked = own === undefined ? port : Number(own)
    if (host === undefined || asked < 1 || asked > 65_535) return { wrong: each }
    hosts.push({ host, port: asked })
  }
  return { hosts }
}

const FORM = /^(?:\[(?<ipv6>[\da-fA-F:.]+)\]|(?<name>[\w.-]+))(?::(?<own>\d{1,5}))?$/
