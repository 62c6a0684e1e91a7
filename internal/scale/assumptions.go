// Package scale says what an organization of any size costs and how long it
// takes. It runs the program itself, its listing, ledger, facts, marks, details
// and deriving, against models of S3 and Athena that count what they are asked
// and take the time that AWS takes, by a clock of their own; and it reckons
// larger organizations from what was counted of small ones. docs/scale.md is
// what it says.
package scale

import "time"

// A Latency is how long answers take.
type Latency struct {
	Request time.Duration // of S3, for a small object or a listing
	Athena  time.Duration // of BatchGetQueryExecution, for 50 ids
	Role    time.Duration // of AssumeRole
	PerGB   time.Duration // of one processor, to inflate and look through a GB of gzip
}

// Assumed are the latencies that docs/deploy-costs.md assumes; PerGB is that of
// docs/performance.md.
var Assumed = Latency{Request: 30 * time.Millisecond, Athena: 200 * time.Millisecond, Role: 100 * time.Millisecond, PerGB: 28 * time.Second}

// Quotas, with where they are documented.
const (
	// S3ReadsPerSecond and S3WritesPerSecond are what one partition of a
	// bucket answers at least (S3 User Guide, "Optimizing performance"). S3
	// makes more partitions of a busy bucket by itself, which is not modelled.
	S3ReadsPerSecond  = 5500
	S3WritesPerSecond = 3500

	// A Lambda function runs 15 minutes (Lambda quotas), of which the program
	// uses 13 before it hands on; 1,769 MB of memory are one processor.
	lambdaGB = 1.769
)

// Prices of us-east-1 in USD, without free tiers (AWS's pricing pages, 2025; see
// docs/deploy-costs.md).
const (
	perThousandWrites = 0.005  // PUT, LIST
	perThousandReads  = 0.0004 // GET
	perGBMonth        = 0.023
	perGBSecond       = 0.0000133334 // of Lambda on arm64
	perThousandSteps  = 0.025        // of Step Functions
)
