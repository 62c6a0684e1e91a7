package demo

import (
	"fmt"
	"sync"
	"time"
)

// BenchOptions say how large a trail WriteBenchTrail makes. Zero values mean
// the reference: 150 files of 8,000 events over 5 days, of which 6 % are
// Athena's and 10 % the Security Token Service's, from 3 accounts in 2 regions:
// 1.2 million events, 1.9 GB of JSON.
type BenchOptions struct {
	Files         int
	EventsPerFile int
	Days          int
	AthenaShare   float64
	STSShare      float64
	Accounts      int
	Regions       int
	Seed          uint64
}

func (o BenchOptions) withDefaults() BenchOptions {
	set := func(n *int, value int) {
		if *n <= 0 {
			*n = value
		}
	}
	set(&o.Files, 150)
	set(&o.EventsPerFile, 8000)
	set(&o.Days, 5)
	set(&o.Accounts, 3)
	set(&o.Regions, 2)
	if o.AthenaShare == 0 {
		o.AthenaShare = 0.06
	}
	if o.STSShare == 0 {
		o.STSShare = 0.10
	}
	o.Regions = min(o.Regions, len(benchRegions))
	return o
}

var benchRegions = []string{US, EU, "eu-central-1", "us-west-2", "ap-northeast-1", "ap-southeast-2", "sa-east-1", "us-east-2"}

// BenchCounts is what a trail made by WriteBenchTrail holds.
type BenchCounts struct {
	Files   int
	Records int64
	Athena  int64 // records of athena.amazonaws.com
	Starts  int64 // of those StartQueryExecution, each with its own id
	STS     int64 // records of sts.amazonaws.com
	People  int64 // of those the ones whose caller is not an AWS service
	JSON    int64 // bytes
	Gzip    int64 // bytes
}

func (c *BenchCounts) add(d BenchCounts) {
	c.Files += d.Files
	c.Records += d.Records
	c.Athena += d.Athena
	c.Starts += d.Starts
	c.STS += d.STS
	c.People += d.People
	c.JSON += d.JSON
	c.Gzip += d.Gzip
}

// WriteBenchTrail writes a large trail under dir, for benchmarks and tests of
// memory. The same options give the same bytes. No Athena API goes with it,
// and there is no truth but the counts.
func WriteBenchTrail(dir string, o BenchOptions) (BenchCounts, error) {
	o = o.withDefaults()
	work := make(chan int, o.Files)
	for i := range o.Files {
		work <- i
	}
	close(work)

	const writers = 2
	counts, errs := make([]BenchCounts, writers), make([]error, writers)
	var wg sync.WaitGroup
	for i := range writers {
		wg.Go(func() {
			w := newFileWriter(6)
			for n := range work {
				if errs[i] == nil {
					errs[i] = o.writeFile(w, dir, n, &counts[i])
				}
			}
		})
	}
	wg.Wait()
	for i := range writers {
		if errs[i] != nil {
			return BenchCounts{}, fmt.Errorf("write a trail for benchmarks: %w", errs[i])
		}
		if i > 0 {
			counts[0].add(counts[i])
		}
	}
	return counts[0], nil
}

// writeFile writes the nth file. Its choices depend on n alone, so that it
// does not matter which goroutine writes it.
func (o BenchOptions) writeFile(w *fileWriter, dir string, n int, counts *BenchCounts) error {
	account := fmt.Sprintf("1111%08d", 22223333+n%o.Accounts)
	region := benchRegions[n/o.Accounts%o.Regions]
	slot := n / (o.Accounts * o.Regions)
	slots := max(1, o.Files/(o.Accounts*o.Regions))
	at := firstDay.Add(time.Duration(slot) * time.Duration(o.Days) * 24 * time.Hour / time.Duration(slots))

	b := benchMaker{newNoiseMaker(newRandom(o.Seed, fmt.Sprint("bench ", n)), account, at)}
	w.begin()
	for range o.EventsPerFile {
		when := at.Add(-time.Duration(b.r.IntN(300)) * time.Second).Truncate(time.Second)
		var e event
		switch x := b.r.Float64(); {
		case x < o.AthenaShare:
			e = b.athena(when, region)
			counts.Athena++
			if e.name == "StartQueryExecution" {
				counts.Starts++
			}
		case x < o.AthenaShare+o.STSShare:
			e = b.token(when, region)
			counts.STS++
			if !e.forwarded {
				counts.People++
			}
		case x < o.AthenaShare+o.STSShare+0.03:
			e = b.forAthena(when, region)
		default:
			e = b.event(when, region)
		}
		w.json = e.appendRecord(w.separate())
	}
	w.end()
	f := logFile{account: account, region: region, at: at, part: n}
	if err := w.write(f.path(dir, o.Seed)); err != nil {
		return err
	}
	counts.Files++
	counts.Records += int64(o.EventsPerFile)
	counts.JSON += int64(len(w.json))
	counts.Gzip += w.out.n
	return nil
}

type benchMaker struct{ *noiseMaker }

// athena makes one of Athena's records: a start, or one of the polls that are
// most of them.
func (b benchMaker) athena(at time.Time, region string) event {
	who := b.callers[b.r.IntN(len(b.callers))]
	e := event{
		at: at, id: b.r.uuid(), request: b.r.uuid(), account: b.account, region: region, source: athenaSource,
		identity: who.identity, ip: noiseAddress(b.r), agent: noiseAgents[b.r.IntN(len(noiseAgents))],
	}
	switch b.r.IntN(10) {
	case 0, 1, 2:
		e.name = "StartQueryExecution"
		e.params = `{"queryString":"` + masked + `","clientRequestToken":"` + b.r.uuid() + `","queryExecutionContext":{"database":"sales","catalog":"awsdatacatalog"},"resultConfiguration":{},"workGroup":"analysts"}`
		e.response = `{"queryExecutionId":"` + b.r.uuid() + `"}`
	case 3, 4:
		e.name, e.readOnly = "GetQueryResults", true
		e.params = `{"queryExecutionId":"` + b.r.uuid() + `","maxResults":1000}`
	default:
		e.name, e.readOnly = "GetQueryExecution", true
		e.params = `{"queryExecutionId":"` + b.r.uuid() + `"}`
	}
	return e
}

// forAthena makes a record of a call that Athena made for its caller.
func (b benchMaker) forAthena(at time.Time, region string) event {
	e := b.event(at, region)
	e.source, e.name, e.params, e.response, e.more = "glue.amazonaws.com", "GetPartitions", partitions(b.noiseMaker, region), "", ""
	e.identity = e.identity[:len(e.identity)-1] + `,"invokedBy":"athena.amazonaws.com"}`
	e.ip, e.agent, e.forwarded = athenaSource, athenaSource, true
	return e
}
