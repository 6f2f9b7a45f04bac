/** For tests: an extension whose `createDriver` returns an object that is not a driver. */
export const createDriver = () => ({ capabilities: { vmType: "basic" } });
