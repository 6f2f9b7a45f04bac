/** What one host of a pool has for VMs: processors, and memory in MiB. */
export interface HostRoom {
  readonly name: string;
  readonly vcpus: number;
  readonly memoryMiB: number;
}
