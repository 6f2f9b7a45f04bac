/**
 * The state of the fake pool: hosts, storage, a network and templates, with the operations on disks and memory.
 */
import { Database } from "./database.ts";
import { Faults } from "./faults.ts";
import type { GuestAgents } from "./guest-agents.ts";
import type { GuestSsh } from "./guest-ssh.ts";
import { Refusal } from "./refusal.ts";
import type { Role } from "./roles.ts";
import { dateOf, type FakeRecord } from "./schema.ts";

export interface PoolOptions {
  readonly hosts: number;
  readonly cpusPerHost: number;
  readonly memoryMiBPerHost: number;
  readonly storageGiB: number;
  /** Duration of each change of a VM's power state or disks, ms. */
  readonly operationMs: number;
  /** Duration of a full copy of a VM's disks, ms; it reports its progress in ten steps. */
  readonly copyMs: number;
  /** The guest agents of running guests. Without them, guests are machines without an agent. */
  readonly agents?: GuestAgents | undefined;
  /** The SSH servers of running guests. Without them, guests report addresses at which no server listens. */
  readonly ssh?: GuestSsh | undefined;
}

/**
 * Key in the `other_config` of a template or VM. Its value is the fingerprint of the guest's SSH host key, which the
 * driver reads.
 */
const HOST_KEY_CONFIG = "bioxen:ssh-host-key";

export const MIB = 1024 * 1024;
const GIB = 1024 * MIB;
/** Memory of a host's control domain, bytes. */
const CONTROL_MEMORY = 1024 * MIB;
/** Memory that Xen itself takes on a host, bytes. */
const HOST_OVERHEAD = 256 * MIB;
/** Memory that Xen needs for each VM in addition to the memory of the VM, bytes. */
const VM_OVERHEAD = 12 * MIB;
/** Size of a new copy-on-write clone on disk, bytes. */
const CLONE_BYTES = 8 * MIB;
const DISK_BYTES = 10 * GIB;

/** Name of the pool's template for guests. The driver uses a template with this name by default. */
export const TEMPLATE_NAME = "bioxen-guest";

/** Names of the pool's templates for the installation of an operating system. */
export const INSTALLER_NAMES = ["Debian Bookworm 12", "Other install media"] as const;

export interface Counts {
  readonly vms: number;
  readonly templates: number;
  readonly snapshots: number;
  readonly vdis: number;
  readonly vbds: number;
  readonly vifs: number;
  readonly tasks: number;
  readonly sessions: number;
  /** Number of open SSH connections into guests. */
  readonly connections: number;
}

export class Pool {
  readonly db = new Database();
  readonly faults = new Faults();
  readonly options: PoolOptions;
  readonly ref: string;
  readonly storage: string;
  readonly network: string;
  /** The certificate of each host, in PEM, by reference. */
  readonly certificates = new Map<string, string>();
  /** The role of each session, by reference. */
  readonly roles = new Map<string, Role>();
  #nextDomain = 1;
  #nextAddress = 2;

  constructor(options: PoolOptions, hostAddress: string) {
    this.options = options;
    const { db } = this;
    this.network = db.add("network", { name_label: "Pool-wide network 0", bridge: "xenbr0", MTU: 1_500 });
    this.storage = db.add("SR", {
      name_label: "Local storage",
      physical_size: options.storageGiB * GIB,
      type: "ext",
      content_type: "user",
    });
    const hosts = Array.from({ length: options.hosts }, (_, i) => this.#addHost(i + 1, hostAddress));
    this.ref = db.add("pool", {
      name_label: "fake",
      name_description: "not a real pool",
      master: hosts[0] ?? "",
      default_SR: this.storage,
    });
    this.addTemplate(TEMPLATE_NAME, { disks: 1 });
    for (const name of INSTALLER_NAMES) this.addTemplate(name, { disks: 0, isDefault: true });
  }

  now(): string {
    return dateOf(Date.now());
  }

  #addHost(number: number, address: string): string {
    const { cpusPerHost, memoryMiBPerHost } = this.options;
    const metrics = this.db.add("host_metrics", {
      memory_total: memoryMiBPerHost * MIB,
      live: true,
      last_updated: this.now(),
    });
    const host = this.db.add("host", {
      name_label: `host-${number}`,
      hostname: `host-${number}`,
      address,
      enabled: true,
      memory_overhead: HOST_OVERHEAD,
      cpu_info: { cpu_count: String(cpusPerHost), vendor: "fake" },
      software_version: { product_brand: "fake XCP-ng", product_version: "8.3.0" },
      metrics,
    });
    const control = this.db.add("VM", {
      name_label: `Control domain on host: host-${number}`,
      is_control_domain: true,
      power_state: "Running",
      resident_on: host,
      memory_static_max: CONTROL_MEMORY,
      memory_dynamic_max: CONTROL_MEMORY,
    });
    this.db.update("host", host, { control_domain: control });
    return host;
  }

  /** Adds a template. A default template has the field and the key (xapi_vm_helpers.ml, `set_is_default_template`). */
  addTemplate(name: string, { disks, isDefault = false }: { disks: number; isDefault?: boolean }): string {
    const { ssh } = this.options;
    const template = this.addVm({
      name_label: name,
      is_a_template: true,
      is_default_template: isDefault,
      other_config: {
        ...(isDefault ? { default_template: "true" } : {}),
        // Clones inherit the host key of their template.
        ...(ssh === undefined ? {} : { [HOST_KEY_CONFIG]: ssh.fingerprint }),
      },
    });
    for (let i = 0; i < disks; i += 1) this.addDisk(template, String(i), { virtual_size: DISK_BYTES });
    return template;
  }

  addVm(fields: FakeRecord): string {
    const metrics = this.db.add("VM_metrics", { last_updated: this.now() });
    return this.db.add("VM", {
      power_state: "Halted",
      memory_overhead: VM_OVERHEAD,
      memory_static_min: 128 * MIB,
      memory_dynamic_min: 1024 * MIB,
      memory_dynamic_max: 1024 * MIB,
      memory_static_max: 1024 * MIB,
      VCPUs_max: 1,
      VCPUs_at_startup: 1,
      HVM_boot_policy: "BIOS order",
      HVM_shadow_multiplier: 1,
      domid: -1,
      metrics,
      ...fields,
    });
  }

  addDisk(vm: string, userdevice: string, fields: FakeRecord): string {
    const vdi = this.addVdi(fields);
    const vbd = this.db.add("VBD", {
      VM: vm,
      VDI: vdi,
      userdevice,
      bootable: userdevice === "0",
      mode: "RW",
      type: "Disk",
    });
    this.link("VM", vm, "VBDs", vbd);
    this.link("VDI", vdi, "VBDs", vbd);
    return vdi;
  }

  /** Adds a disk and returns its reference. Throws `SR_FULL` when the storage has too little space. */
  addVdi(fields: FakeRecord): string {
    const sr = this.db.get("SR", this.storage);
    const size = this.faults.switches.storageFull
      ? Number(sr["physical_utilisation"])
      : Number(sr["physical_size"]);
    const used = Number(sr["physical_utilisation"]) + CLONE_BYTES;
    if (used > size) throw new Refusal("SR_FULL", String(used), String(size));
    const vdi = this.db.add("VDI", {
      SR: this.storage,
      type: "user",
      physical_utilisation: CLONE_BYTES,
      ...fields,
    });
    this.db.update("SR", this.storage, { physical_utilisation: used });
    this.link("SR", this.storage, "VDIs", vdi);
    return vdi;
  }

  removeVdi(ref: string): void {
    const vdi = this.db.get("VDI", ref);
    for (const vbd of vdi["VBDs"] as string[]) this.removeVbd(vbd);
    const sr = this.db.get("SR", this.storage);
    const freed = Number(sr["physical_utilisation"]) - Number(vdi["physical_utilisation"]);
    this.db.update("SR", this.storage, { physical_utilisation: freed });
    this.unlink("SR", this.storage, "VDIs", ref);
    this.db.remove("VDI", ref);
    this.options.agents?.removeDisk(ref);
  }

  removeVbd(ref: string): void {
    const { VM, VDI } = this.db.get("VBD", ref) as { VM: string; VDI: string };
    this.unlink("VM", VM, "VBDs", ref);
    this.unlink("VDI", VDI, "VBDs", ref);
    this.db.remove("VBD", ref);
  }

  /** Adds the reference `value` to a field that holds a set of references. */
  link(className: string, ref: string, field: string, value: string): void {
    const before = this.db.get(className, ref)[field] as string[];
    this.db.update(className, ref, { [field]: [...before, value] });
  }

  /** Removes the reference `value` from a field that holds a set of references. Idempotent. */
  unlink(className: string, ref: string, field: string, value: string): void {
    const before = this.db.find(className, ref)?.[field] as string[] | undefined;
    if (before?.includes(value) !== true) return;
    this.db.update(className, ref, { [field]: before.filter((one) => one !== value) });
  }

  #isLive({ metrics }: FakeRecord): boolean {
    return this.db.get("host_metrics", String(metrics))["live"] === true;
  }

  /** Throws `HOST_OFFLINE` when the host is down (message_forwarding.ml, `do_op_on_common`). */
  requireLive(host: string): void {
    if (!this.#isLive(this.db.get("host", host))) throw new Refusal("HOST_OFFLINE", host);
  }

  /** Returns the free memory of a host, bytes. */
  freeMemory(host: string): number {
    if (this.faults.switches.noMemory) return 0;
    const { metrics } = this.db.get("host", host) as { metrics: string };
    const total = Number(this.db.get("host_metrics", metrics)["memory_total"]);
    const residents = this.db.all("VM").filter(([, vm]) => vm["resident_on"] === host);
    const used = residents.reduce((sum, [, vm]) => sum + neededBy(vm), 0);
    return total - HOST_OVERHEAD - used;
  }

  /**
   * Returns the live and enabled host with the most free memory that has as many processors as the VM's `VCPUs_max`
   * (xapi_vm_helpers.ml, `assert_can_boot_here`, `assert_enough_pcpus`). Throws XAPI's error when no host can run the VM.
   */
  hostFor(vm: FakeRecord): string {
    const needed = neededBy(vm);
    const hosts = this.db.all("host").filter(([, host]) => host["enabled"] === true && this.#isLive(host));
    const able = hosts.filter(([, host]) => cpusOf(host) >= Number(vm["VCPUs_max"]));
    if (able.length === 0 && hosts.length === 1) {
      throw new Refusal(
        "HOST_NOT_ENOUGH_PCPUS",
        String(vm["VCPUs_max"]),
        String(cpusOf(hosts[0]?.[1] ?? {})),
      );
    }
    const [best] = able.map(([ref]) => ({ ref, free: this.freeMemory(ref) })).sort((a, b) => b.free - a.free);
    if (best === undefined) throw new Refusal("NO_HOSTS_AVAILABLE");
    if (best.free >= needed) return best.ref;
    if (hosts.length > 1) throw new Refusal("NO_HOSTS_AVAILABLE");
    throw new Refusal("HOST_NOT_ENOUGH_FREE_MEMORY", String(needed), String(best.free));
  }

  nextDomain(): number {
    this.#nextDomain += 1;
    return this.#nextDomain;
  }

  /**
   * Resolves with an address for a guest that is starting, and starts the guest's SSH server if the fake has SSH
   * servers. Resolves with undefined when the SSH server cannot get an address.
   */
  async addressFor(vm: string): Promise<string | undefined> {
    const { ssh } = this.options;
    if (ssh !== undefined) return ssh.begin(vm, String(this.db.get("VM", vm)["name_label"]));
    this.#nextAddress += 1;
    return `10.0.${this.#nextAddress >> 8}.${this.#nextAddress & 0xff}`;
  }

  /** Returns the numbers of objects in the pool. */
  counts(): Counts {
    const vms = this.db.all("VM").map(([, vm]) => vm);
    const isSnapshot = (vm: FakeRecord) => vm["is_a_snapshot"] === true;
    const isTemplate = (vm: FakeRecord) => vm["is_a_template"] === true && !isSnapshot(vm);
    const plain = vms.filter((vm) => !isSnapshot(vm) && !isTemplate(vm) && vm["is_control_domain"] !== true);
    return {
      vms: plain.length,
      templates: vms.filter(isTemplate).length,
      snapshots: vms.filter(isSnapshot).length,
      vdis: this.db.all("VDI").length,
      vbds: this.db.all("VBD").length,
      vifs: this.db.all("VIF").length,
      tasks: this.db.all("task").length,
      sessions: this.db.all("session").length,
      connections: this.options.ssh?.connections ?? 0,
    };
  }
}

function cpusOf({ cpu_info }: FakeRecord): number {
  return Number((cpu_info as Readonly<Record<string, string>> | undefined)?.["cpu_count"] ?? 0);
}

export function neededBy(vm: FakeRecord): number {
  return Number(vm["memory_dynamic_max"]) + Number(vm["memory_overhead"]);
}
