/** For tests: a package whose driver is none. */
export const createDriver = () => ({ capabilities: { vmType: "basic" } });
