package lake

// LimitStateKey is the file that says what stands because of limits, which
// package standing reads and writes.
const LimitStateKey = "_ledger/v1/limits/state.json"
