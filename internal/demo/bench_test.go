package demo

import (
	"encoding/json"
	"os"
	"testing"
)

func TestBenchTrail(t *testing.T) {
	o := BenchOptions{Files: 7, EventsPerFile: 700, Seed: 3}
	dir, again := t.TempDir(), t.TempDir()
	counts, err := WriteBenchTrail(dir, o)
	if err != nil {
		t.Fatal(err)
	}
	if second, err := WriteBenchTrail(again, o); err != nil || second != counts || digest(t, dir) != digest(t, again) {
		t.Errorf("the same options gave other bytes: %+v and %+v, %v", counts, second, err)
	}
	var got BenchCounts
	names := map[string]bool{}
	files(t, dir, func(name, path string) {
		b := inflate(t, path)
		info, _ := os.Stat(path)
		got.add(BenchCounts{Files: 1, JSON: int64(len(b)), Gzip: info.Size()})
		if !fileName.MatchString(name) {
			t.Errorf("%s is no name of a log file", name)
		}
		names[name] = true
		var body struct{ Records []record }
		if err := json.Unmarshal(b, &body); err != nil {
			t.Fatalf("%s: %v", name, err)
		}
		for _, r := range body.Records {
			got.Records++
			switch r.EventSource {
			case athenaSource:
				got.Athena++
				if r.EventName == "StartQueryExecution" {
					got.Starts++
				}
			case stsSource:
				got.STS++
				if r.UserIdentity.Type != "AWSService" {
					got.People++
				}
			}
		}
	})
	if got != counts {
		t.Errorf("counted %+v, told %+v", got, counts)
	}
	share := func(n int64) float64 { return float64(n) / float64(got.Records) }
	if a, s := share(got.Athena), share(got.STS); a < 0.045 || a > 0.075 || s < 0.08 || s > 0.12 {
		t.Errorf("shares of Athena %.3f and STS %.3f", a, s)
	}
	if people := float64(got.People) / float64(got.STS); people < 0.12 || people > 0.28 {
		t.Errorf("%.2f of the STS records are of people, want a fifth", people)
	}
	size, ratio := got.JSON/got.Records, float64(got.JSON)/float64(got.Gzip)
	if size < 1450 || size > 1750 || ratio < 6 || ratio > 8 {
		t.Errorf("%d bytes a record, compressed %.1f to one", size, ratio)
	}
}
