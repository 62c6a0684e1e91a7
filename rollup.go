package athenatrail

import (
	"cmp"
	"math"
	"strings"
	"time"
)

// Kinds of usage.
const (
	UsageSQL   = "sql"
	UsageSpark = "spark"
)

// A UsageKey is what a row of usage_rollup is grouped by.
type UsageKey struct {
	Slot          time.Time `parquet:"slot,timestamp(millisecond:local)"` // start of the UTC quarter hour
	Kind          string    `parquet:"kind"`
	Person        string    `parquet:"person"`
	PersonKind    string    `parquet:"person_kind"`
	PersonSource  string    `parquet:"person_source"`
	Team          string    `parquet:"team"`
	RoleName      string    `parquet:"role_name,optional"`
	AccountID     string    `parquet:"account_id"`
	RegionName    string    `parquet:"region_name"`
	WorkGroupName string    `parquet:"work_group_name,optional"`
	Tool          string    `parquet:"tool,optional"`
	DatabaseName  string    `parquet:"database_name,optional"`
	State         string    `parquet:"state,optional"`
	Gap           string    `parquet:"gap,optional"`
	CostBasis     string    `parquet:"cost_basis,optional"`
	Currency      string    `parquet:"currency,optional"`
	Probe         bool      `parquet:"probe"`
	Own           bool      `parquet:"own"`
}

// Compare orders keys by their fields, from Slot to Own.
func (k *UsageKey) Compare(o *UsageKey) int {
	if c := k.Slot.Compare(o.Slot); c != 0 {
		return c
	}
	for _, f := range [...][2]*string{
		{&k.Kind, &o.Kind}, {&k.Person, &o.Person}, {&k.PersonKind, &o.PersonKind}, {&k.PersonSource, &o.PersonSource},
		{&k.Team, &o.Team}, {&k.RoleName, &o.RoleName}, {&k.AccountID, &o.AccountID}, {&k.RegionName, &o.RegionName},
		{&k.WorkGroupName, &o.WorkGroupName}, {&k.Tool, &o.Tool}, {&k.DatabaseName, &o.DatabaseName}, {&k.State, &o.State},
		{&k.Gap, &o.Gap}, {&k.CostBasis, &o.CostBasis}, {&k.Currency, &o.Currency},
	} {
		if c := strings.Compare(*f[0], *f[1]); c != 0 {
			return c
		}
	}
	return cmp.Or(compareBools(k.Probe, o.Probe), compareBools(k.Own, o.Own))
}

// compareBools orders false before true.
func compareBools(a, b bool) int {
	switch {
	case a == b:
		return 0
	case b:
		return -1
	}
	return 1
}

// Compare orders rows by table, then by their keys.
func (t *TableRollup) Compare(o *TableRollup) int {
	return cmp.Or(strings.Compare(t.TableName, o.TableName), compareBools(t.Written, o.Written), t.UsageKey.Compare(&o.UsageKey))
}

// A UsageRollup sums the executions of one quarter hour that share a
// [UsageKey]. Its sums take what is known: an execution whose bytes are
// unknown counts in Executions and not in Known.
type UsageRollup struct {
	UsageKey

	Executions       int64 `parquet:"executions"`
	Known            int64 `parquet:"known"` // executions whose bytes are known
	Failed           int64 `parquet:"failed"`
	Reused           int64 `parquet:"reused"`
	DataScannedBytes int64 `parquet:"data_scanned_bytes"`
	BilledBytes      int64 `parquet:"billed_bytes"`
	Cost             Money `parquet:"cost,decimal(9:18)"`
	DPUMillis        int64 `parquet:"dpu_ms"`
	MaxScannedBytes  int64 `parquet:"max_scanned_bytes"`
	TotalMillis      int64 `parquet:"total_ms"`

	Latency01 int64 `parquet:"latency_01"`
	Latency02 int64 `parquet:"latency_02"`
	Latency03 int64 `parquet:"latency_03"`
	Latency04 int64 `parquet:"latency_04"`
	Latency05 int64 `parquet:"latency_05"`
	Latency06 int64 `parquet:"latency_06"`
	Latency07 int64 `parquet:"latency_07"`
	Latency08 int64 `parquet:"latency_08"`
	Latency09 int64 `parquet:"latency_09"`
	Latency10 int64 `parquet:"latency_10"`
	Latency11 int64 `parquet:"latency_11"`
	Latency12 int64 `parquet:"latency_12"`
	Latency13 int64 `parquet:"latency_13"`
	Latency14 int64 `parquet:"latency_14"`
	Latency15 int64 `parquet:"latency_15"`
	Latency16 int64 `parquet:"latency_16"`
	Latency17 int64 `parquet:"latency_17"`
	Latency18 int64 `parquet:"latency_18"`
	Latency19 int64 `parquet:"latency_19"`
	Latency20 int64 `parquet:"latency_20"`
	Latency21 int64 `parquet:"latency_21"`
	Latency22 int64 `parquet:"latency_22"`
	Latency23 int64 `parquet:"latency_23"`
	Latency24 int64 `parquet:"latency_24"`
	Latency25 int64 `parquet:"latency_25"`
	Latency26 int64 `parquet:"latency_26"`
	Latency27 int64 `parquet:"latency_27"`
	Latency28 int64 `parquet:"latency_28"`
	Latency29 int64 `parquet:"latency_29"`
	Latency30 int64 `parquet:"latency_30"`
	Latency31 int64 `parquet:"latency_31"`
	Latency32 int64 `parquet:"latency_32"`
	Latency33 int64 `parquet:"latency_33"`
	Latency34 int64 `parquet:"latency_34"`
	Latency35 int64 `parquet:"latency_35"`
	Latency36 int64 `parquet:"latency_36"`
	Latency37 int64 `parquet:"latency_37"`
	Latency38 int64 `parquet:"latency_38"`
	Latency39 int64 `parquet:"latency_39"`
	Latency40 int64 `parquet:"latency_40"`
}

// A TableRollup sums the executions of one quarter hour that share a
// [UsageKey] and touched a table. An execution counts whole for each of its
// tables, so that rows of several tables must not be added up.
type TableRollup struct {
	TableName string `parquet:"table_name"` // catalog.database.table
	Written   bool   `parquet:"written"`    // the executions changed the table

	UsageRollup
}

// LatencyBuckets is how many latency columns a roll-up has.
const LatencyBuckets = 40

// latencyEdges[k-1] is the largest total_ms that latency_k counts,
// floor(10^(k/5)); the first takes all below too, the last all above.
var latencyEdges = func() (edges [LatencyBuckets]int64) {
	for k := range edges {
		edges[k] = int64(math.Floor(math.Pow(10, float64(k+1)/5) + 1e-9))
	}
	return edges
}()

// LatencyEdge returns the upper edge in milliseconds of bucket k, 1 to 40.
func LatencyEdge(k int) int64 { return latencyEdges[k-1] }

// LatencyBucket returns the bucket, 1 to 40, that counts an execution of ms
// milliseconds.
func LatencyBucket(ms int64) int {
	for k, edge := range latencyEdges {
		if ms <= edge {
			return k + 1
		}
	}
	return LatencyBuckets
}

// Latency returns the counter of bucket k, 1 to 40.
func (u *UsageRollup) Latency(k int) *int64 {
	return [...]*int64{
		&u.Latency01, &u.Latency02, &u.Latency03, &u.Latency04, &u.Latency05, &u.Latency06, &u.Latency07, &u.Latency08,
		&u.Latency09, &u.Latency10, &u.Latency11, &u.Latency12, &u.Latency13, &u.Latency14, &u.Latency15, &u.Latency16,
		&u.Latency17, &u.Latency18, &u.Latency19, &u.Latency20, &u.Latency21, &u.Latency22, &u.Latency23, &u.Latency24,
		&u.Latency25, &u.Latency26, &u.Latency27, &u.Latency28, &u.Latency29, &u.Latency30, &u.Latency31, &u.Latency32,
		&u.Latency33, &u.Latency34, &u.Latency35, &u.Latency36, &u.Latency37, &u.Latency38, &u.Latency39, &u.Latency40,
	}[k-1]
}

// SlotLength is the length of a roll-up's slot.
const SlotLength = 15 * time.Minute
