/** Opaque reference to an object of the pool. The compiler does not distinguish references by class. */
export type Ref = string;

/** The null reference, which stands for "no object". */
export const NULL_REF = "OpaqueRef:NULL";
