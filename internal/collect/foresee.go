package collect

import (
	"cmp"
	"context"

	"github.com/athenatrail/athenatrail"
	"github.com/athenatrail/athenatrail/cloudtrail"
	"github.com/athenatrail/athenatrail/internal/athenaapi"
	"github.com/athenatrail/athenatrail/internal/derive"
	"github.com/athenatrail/athenatrail/internal/source"
)

// A Foresight is what a run would ask of AWS, as a dry run says.
type Foresight struct {
	// Executions, Sessions and Calculations are what Athena would be asked
	// for: what the lake lacks, and what the log files to read start. Calls
	// are those of Athena that this takes. What is older than its history is
	// not asked for.
	Executions, Sessions, Calculations int64
	Calls                              int64

	// Sampled is how many of the log files were read to foresee what they
	// hold. What is said is exact if these are all.
	Sampled int64
}

// sampleFiles is how many log files a dry run reads, at most.
const sampleFiles = 400

// foresee does a dry run: it lists, and reads a sample of what would be read.
func (r *run) foresee(ctx context.Context) error {
	sample := &sampling{every: 1}
	// A queue is not received from: that would keep its messages from others.
	var listed []source.Source
	for _, src := range r.Sources {
		messages, isQueue, err := source.Waiting(ctx, src)
		switch {
		case err != nil:
			return err
		case isQueue:
			r.sum.Waiting += messages
		default:
			listed = append(listed, src)
		}
	}
	r.Sources = listed
	err := r.list(ctx, func(jobs []job) error {
		for _, j := range jobs {
			sample.add(j)
		}
		return nil
	})
	if err != nil {
		return err
	}
	f := &r.sum.Foreseen
	if r.Details == nil {
		return nil
	}
	// An account and region has calls of its own, the last of them not full.
	places := map[athenatrail.Partition]*foreseen{}
	at := func(p athenatrail.Partition) *foreseen {
		p.Date = 0
		if places[p] == nil {
			places[p] = &foreseen{}
		}
		return places[p]
	}
	oldest := athenatrail.DateOf(r.Now) - historyDays
	days, err := r.days(ctx)
	if err != nil {
		return err
	}
	for p := range days {
		ids, _, err := r.lacking(ctx, p)
		if err != nil {
			return err
		}
		for _, w := range ids {
			if athenatrail.DateOf(w.Started) >= oldest {
				at(p).count(w.Kind, 1)
			}
		}
	}
	if err := r.foreseeFiles(ctx, sample, oldest, at); err != nil {
		return err
	}
	for _, n := range places {
		executions := int64(n.executions + 0.5)
		f.Executions += executions
		f.Sessions += int64(n.sessions + 0.5)
		f.Calculations += int64(n.calculations + 0.5)
		f.Calls += (executions + athenaapi.BatchSize - 1) / athenaapi.BatchSize
	}
	f.Calls += f.Sessions + f.Calculations
	return nil
}

// A foreseen is what is to be asked for in one account and region.
type foreseen struct{ executions, sessions, calculations float64 }

func (n *foreseen) count(kind string, many float64) {
	switch kind {
	case athenatrail.KindSession:
		n.sessions += many
	case athenatrail.KindCalculation:
		n.calculations += many
	default:
		n.executions += many
	}
}

// foreseeFiles reads the sample, and counts what starts in it for all the log
// files that it stands for, by their lengths.
func (r *run) foreseeFiles(ctx context.Context, sample *sampling, oldest athenatrail.Date, at func(athenatrail.Partition) *foreseen) error {
	reader := cloudtrail.NewReader(r.Limits)
	var found []athenatrail.Event
	seen := map[string]bool{}
	length := int64(0)
	for _, j := range sample.jobs {
		if j.Key == stdinKey {
			continue // it can be read once
		}
		_, err := r.readFile(ctx, reader, &j, func(f *cloudtrail.Facts) error {
			for _, e := range f.Events {
				starts := e.Name == derive.StartEvent || e.Name == "StartSession" || e.Name == "StartCalculationExecution"
				id := cmp.Or(e.QueryExecutionID, e.ID) // one execution may be started twice
				if starts && e.Home.Date >= oldest && !seen[id] {
					seen[id] = true
					found = append(found, e)
				}
			}
			return nil
		})
		if ctx.Err() != nil {
			return ctx.Err()
		}
		if err != nil {
			r.sum.problem("read %s: %v", j.Key, err)
			continue
		}
		r.sum.Foreseen.Sampled++
		length += max(0, j.Size)
	}
	share := 1.0
	if length > 0 {
		share = max(1, float64(r.sum.ToReadLen)/float64(length))
	}
	for i := range found {
		e := &found[i]
		switch {
		case e.Name == derive.StartEvent && e.QueryExecutionID != "":
			at(e.Home).count(athenatrail.KindQueryExecution, share)
		case e.Name == "StartSession" && e.SessionID != "":
			at(e.Home).count(athenatrail.KindSession, share)
		case e.Name == "StartCalculationExecution":
			at(e.Home).count(athenatrail.KindCalculation, share)
		}
	}
	return nil
}

// A sampling keeps every so many of the jobs that it is given, evenly spread.
type sampling struct {
	jobs  []job
	every int64
	seen  int64
}

func (s *sampling) add(j job) {
	if s.seen%s.every == 0 {
		if len(s.jobs) == sampleFiles {
			for i := range sampleFiles / 2 {
				s.jobs[i] = s.jobs[2*i]
			}
			s.jobs = s.jobs[:sampleFiles/2]
			s.every *= 2
		}
		if s.seen%s.every == 0 {
			s.jobs = append(s.jobs, j)
		}
	}
	s.seen++
}
