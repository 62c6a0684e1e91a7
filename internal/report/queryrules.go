package report

import (
	"fmt"
	"slices"
	"strconv"
	"time"
)

// From when on executions of SQL are worth a finding. Amounts are of whatever
// currency the executions cost.
const (
	repeatWithin   = time.Hour // how old a result may be to be reused
	repeatsAtLeast = 3
	repeatsCost    = "0.10" // of the repeats

	scanAtLeast = 10_000_000_000 // bytes of an execution without a filter on a partition column

	starRuns    = 5
	starAtLeast = 1_000_000_000 // bytes an execution, on average

	smallPerDay = 100        // executions of one fingerprint on a day of UTC
	smallScan   = 10_000_000 // bytes; Athena charges ten megabytes at least

	cancelledCost = "0.50" // of a person's cancelled executions

	failuresPerDay = 5 // of one fingerprint and person on a day of UTC

	sharedBy        = 3 // people
	sharedAddresses = 3 // on a day of UTC

	textRuns     = 10     // executions that read one table of text files and nothing else
	textCost     = "1.00" // of these
	parquetRatio = 3      // how much smaller Parquet is than text that is not compressed; see docs/sql.md

	leastDPUs      = 24     // of a reservation that on demand is compared with
	capacityRatio  = 1.25   // how much dearer one way has to be than the other
	capacitySaving = "5.00" // how much, in all

	accessHistory = 14 // days before a first access that the lake has to know the person and the database
)

var queryRules = []Rule{
	{
		ID: "shared_access", Severity: "medium",
		Threshold: fmt.Sprintf("%d people for whom AWS does not vouch behind one role or IAM user's key, or %d addresses of such a key on one day", sharedBy, sharedAddresses),
		Fix:       "give people sign-ins of their own (Identity Center), let BI tools pass the person on (trusted identity propagation, source identity), and replace the key",
	},
	{
		ID: "unfiltered_partitions", Severity: "medium",
		Threshold: fmt.Sprintf("1 execution that scanned %d GB of a table whose partition columns it does not name", scanAtLeast/1_000_000_000),
		Fix:       "filter on the partition column itself, not on what is computed from it or stands beside it; let the work group limit the bytes of a query (BytesScannedCutoffPerQuery)",
	},
	{
		ID: "text_formats", Severity: "medium",
		Threshold: fmt.Sprintf("%d executions that read one table of CSV, JSON or other text alone and cost %s together", textRuns, textCost),
		Fix:       "keep the table as Parquet (CREATE TABLE AS, or the job that writes it), with partitions as before",
	},
	{
		ID: "on_demand_capacity", Severity: "medium",
		Threshold: fmt.Sprintf("hours on end, in each of which a work group cost more than %d reserved DPUs, and in all %s and %d %% more than the DPUs that so many queries at a time need", leastDPUs, capacitySaving, int(capacityRatio*100)-100),
		Fix:       "try a capacity reservation for the work group in those hours, watch how many DPUs its queries take, and cancel it outside of them",
	},
	{
		ID: "reserved_capacity", Severity: "medium",
		Threshold: fmt.Sprintf("a work group whose reserved capacity cost %s and %d %% more, at least, than its queries would have on demand", capacitySaving, int(capacityRatio*100)-100),
		Fix:       "take the work group off the reservation, or share it with others and make it smaller; idle DPUs are charged too",
	},
	{
		ID: "repeated_query", Severity: "medium",
		Threshold: fmt.Sprintf("%d repeats of the same SQL within %d minutes of a finished run in the same work group, that cost %s together", repeatsAtLeast, int(repeatWithin.Minutes()), repeatsCost),
		Fix:       fmt.Sprintf("turn on query result reuse with a maximum age of %d minutes where the data may be as old as that, in the tool or per query", int(repeatWithin.Minutes())),
	},
	{
		ID: "cancelled_queries", Severity: "low",
		Threshold: fmt.Sprintf("cancelled executions of one person that cost %s together: what was scanned by then is charged", cancelledCost),
		Fix:       "try with LIMIT on one partition, look at EXPLAIN first, and let the work group limit the bytes of a query",
	},
	{
		ID: "select_star", Severity: "low",
		Threshold: fmt.Sprintf("%d runs of one SELECT * FROM a table that scanned %d GB each on average", starRuns, starAtLeast/1_000_000_000),
		Fix:       "name the columns that are needed: columnar files are read by column",
	},
	{
		ID: "small_scans", Severity: "low",
		Threshold: fmt.Sprintf("%d executions of one query on one day that scanned less than the 10 MB that each is charged for", smallPerDay),
		Fix:       "ask once for many keys instead of once for each, cache the answer, or keep small lookups elsewhere",
	},
	{
		ID: "repeated_failures", Severity: "low",
		Threshold: fmt.Sprintf("%d failures of one query of one person on one day: they cost nothing but time", failuresPerDay),
		Fix:       "see report failures for the messages; stop the retries of what cannot succeed",
	},
	{
		ID: "first_access", Severity: "low",
		Threshold: fmt.Sprintf("the first successful query of a person's on a database, both of which the lake has known for %d days", accessHistory),
		Fix:       "nothing, where it was meant; otherwise see who grants that database",
	},
}

// allRules returns the rules, the gravest first.
func allRules(lists ...[]Rule) []Rule {
	list := slices.Concat(lists...)
	slices.SortStableFunc(list, func(a, b Rule) int {
		return slices.Index(severities, a.Severity) - slices.Index(severities, b.Severity)
	})
	return list
}

// A PartitionColumn is a column by which a table is partitioned.
type PartitionColumn struct {
	Table  string // catalog.database.table
	Column string
}

// queryThresholds are the constants above as the rules' SQL has them.
type queryThresholds struct {
	RepeatMillis, RepeatsAtLeast, ScanAtLeast, StarRuns, StarAtLeast, SmallPerDay, SmallScan int64
	FailuresPerDay, SharedBy, SharedAddresses, AccessHistory                                 int
	RepeatsCost, CancelledCost                                                               string

	TextRuns, ParquetRatio, LeastDPUs       int
	CapacityRatio, TextCost, CapacitySaving string
}

// OfQueries returns what the rules about executions compare with.
func (*page) OfQueries() queryThresholds {
	return queryThresholds{
		RepeatMillis: repeatWithin.Milliseconds(), RepeatsAtLeast: repeatsAtLeast, ScanAtLeast: scanAtLeast, StarRuns: starRuns, StarAtLeast: starAtLeast,
		SmallPerDay: smallPerDay, SmallScan: smallScan, FailuresPerDay: failuresPerDay, SharedBy: sharedBy, SharedAddresses: sharedAddresses,
		AccessHistory: accessHistory, RepeatsCost: repeatsCost, CancelledCost: cancelledCost,
		TextRuns: textRuns, TextCost: textCost, ParquetRatio: parquetRatio, LeastDPUs: leastDPUs,
		CapacityRatio: strconv.FormatFloat(capacityRatio, 'f', -1, 64), CapacitySaving: capacitySaving,
	}
}

// dpusFor returns how many DPUs a reservation is taken to have for so many
// queries at a time: 40 for 10, 96 for 20, 240 for 30 and more in proportion
// (Athena User Guide, "Determine capacity requirements"), in fours.
func dpusFor(queries string) string {
	return fmt.Sprintf("CASE WHEN %[1]s <= %[2]d THEN %[3]d WHEN %[1]s <= 10 THEN %[1]s * 4 WHEN %[1]s <= 20 THEN CAST(ceil(CAST(%[1]s AS DOUBLE) * 1.2e0) AS BIGINT) * 4 ELSE %[1]s * 8 END",
		queries, leastDPUs/4, leastDPUs)
}

// PartitionColumns returns what the user says that tables are partitioned by.
func (p *page) PartitionColumns() []PartitionColumn { return p.partitions }

// Bind binds a value.
func (p *page) Bind(value string) string {
	p.args = append(p.args, value)
	return "?"
}
