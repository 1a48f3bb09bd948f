/** Processes that share a run. */

/** This process's place among those that share a run, and where they find each other. */
export interface GroupConfig {
  /** From 0. */
  readonly rank: number;
  readonly size: number;
  /** Address on which rank 0 listens; in 127.0.0.0/8, it listens on the loopback interface alone. */
  readonly host: string;
  readonly port: number;
  /** Seconds that a rank waits for the others. */
  readonly timeout: number;
}

/** Membership in a group of processes. */
export interface NativeGroup {
  /**
   * Waits until all have joined. Rejects with GROUP_FAILED, which names those that are missing, or with
   * DEVICE_UNAVAILABLE where this build cannot join any (`groups()`).
   */
  join(): Promise<void>;
  /** Sends a text to all, and gives those of all, in the order of ranks. */
  exchange(text: string): Promise<string[]>;
  /** Leaves. `reason`: this rank failed, which the messages of the others then say. */
  leave(reason?: string): void;
  /** For jobs. */
  joined(): unknown;
}
