package demo

import (
	"cmp"
	"crypto/sha256"
	"fmt"
	"os"
	"path/filepath"
	"slices"
	"sync"
	"time"

	"github.com/klauspost/compress/gzip"
)

// batch is how often the trail delivers. Real ones do every five minutes or
// so; once an hour makes fewer files of the same form.
const batch = time.Hour

// delivered returns when the record of an event is delivered: five minutes
// after its hour is over.
func delivered(at time.Time) time.Time {
	return at.Truncate(batch).Add(batch + 5*time.Minute)
}

// maxRecords is how many records a file holds at most; more make another file
// of the same minute.
const maxRecords = 300

// A logFile is what one file of the trail holds.
type logFile struct {
	account, region string
	at              time.Time
	part            int
	events          []*event
}

// path returns the file's path under the trail's folder. The last part of the
// name means nothing, as with real ones.
func (f *logFile) path(dir string, seed uint64) string {
	name := fmt.Sprintf("%s_CloudTrail_%s_%s_%s.json.gz", f.account, f.region, f.at.Format("20060102T1504Z"), f.unique(seed))
	return filepath.Join(dir, "AWSLogs", organization, f.account, "CloudTrail", f.region, f.at.Format("2006"), f.at.Format("01"), f.at.Format("02"), name)
}

const uniqueDigits = "ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789"

func (f *logFile) unique(seed uint64) string {
	sum := sha256.Sum256(fmt.Appendf(nil, "%d %s %s %d %d", seed, f.account, f.region, f.at.Unix(), f.part))
	b := make([]byte, 16)
	for i := range b {
		b[i] = uniqueDigits[int(sum[i])%len(uniqueDigits)]
	}
	return string(b)
}

// files sorts the events into the files they are delivered in.
func (c *Company) files() []*logFile {
	r := newRandom(c.seed, "files")
	type place struct {
		account, region string
		at              int64
	}
	byPlace := map[place][]*event{}
	put := func(e *event, at time.Time) {
		k := place{e.account, e.region, at.Unix()}
		byPlace[k] = append(byPlace[k], e)
	}
	for i := range c.events {
		e := &c.events[i]
		at := delivered(e.at.Add(e.late))
		put(e, at)
		for n := range e.copies {
			if again := at.Add(batch * time.Duration(n+1)); !again.After(c.Now) {
				put(e, again)
			}
		}
	}
	places := make([]place, 0, len(byPlace))
	for k := range byPlace {
		places = append(places, k)
	}
	slices.SortFunc(places, func(a, b place) int {
		return cmp.Or(cmp.Compare(a.at, b.at), cmp.Compare(a.account, b.account), cmp.Compare(a.region, b.region))
	})
	var out []*logFile
	for _, k := range places {
		events := byPlace[k]
		r.Shuffle(len(events), func(i, j int) { events[i], events[j] = events[j], events[i] })
		part := 0
		for chunk := range slices.Chunk(events, maxRecords) {
			f := &logFile{k.account, k.region, time.Unix(k.at, 0).UTC(), part, chunk}
			out = append(out, f)
			part++
		}
		// Now and then a whole file comes again, minutes later, under another name.
		if again := out[len(out)-1].at.Add(2 * time.Minute); r.IntN(400) == 0 && !again.After(c.Now) {
			twice := *out[len(out)-1]
			twice.at = again
			out = append(out, &twice)
		}
	}
	return out
}

// WriteTrail writes the company's log files under dir, which it makes.
func (c *Company) WriteTrail(dir string) error {
	files := c.files()
	work := make(chan *logFile, 64)
	const writers = 2
	errs := make([]error, writers)
	var wg sync.WaitGroup
	for i := range writers {
		wg.Go(func() {
			w := newFileWriter(gzip.BestSpeed)
			for f := range work {
				if errs[i] != nil {
					continue
				}
				w.begin()
				for _, e := range f.events {
					w.json = e.appendRecord(w.separate())
				}
				w.end()
				errs[i] = w.write(f.path(dir, c.seed))
			}
		})
	}
	for _, f := range files {
		work <- f
	}
	close(work)
	wg.Wait()
	for _, err := range errs {
		if err != nil {
			return fmt.Errorf("write the demo's trail: %w", err)
		}
	}
	if err := c.writeBeside(dir); err != nil {
		return fmt.Errorf("write the demo's trail: %w", err)
	}
	return nil
}

// A fileWriter writes log files one after another in the same memory.
type fileWriter struct {
	json  []byte
	first bool
	zip   *gzip.Writer
	made  string // the last folder that was made
	out   countingWriter
}

type countingWriter struct {
	f *os.File
	n int64
}

func (w *countingWriter) Write(b []byte) (int, error) {
	n, err := w.f.Write(b)
	w.n += int64(n)
	return n, err
}

func newFileWriter(level int) *fileWriter {
	zip, err := gzip.NewWriterLevel(nil, level)
	if err != nil {
		panic(err) // a level that does not exist
	}
	return &fileWriter{zip: zip, json: make([]byte, 0, 1<<20)}
}

func (w *fileWriter) begin() { w.json, w.first = append(w.json[:0], `{"Records":[`...), true }

func (w *fileWriter) end() { w.json = append(w.json, "]}"...) }

// separate returns the JSON so far, ready for one more record.
func (w *fileWriter) separate() []byte {
	if w.first {
		w.first = false
		return w.json
	}
	return append(w.json, ',')
}

func (w *fileWriter) write(path string) (err error) {
	if dir := filepath.Dir(path); dir != w.made {
		if err := os.MkdirAll(dir, 0o755); err != nil {
			return err
		}
		w.made = dir
	}
	f, err := os.Create(path)
	if err != nil {
		return err
	}
	w.out = countingWriter{f: f}
	w.zip.Reset(&w.out)
	if _, err = w.zip.Write(w.json); err == nil {
		err = w.zip.Close()
	}
	if e := f.Close(); err == nil {
		err = e
	}
	return err
}

// writeBeside writes what lies beside log files and is none: a digest and an
// insight.
func (c *Company) writeBeside(dir string) error {
	w := newFileWriter(gzip.BestSpeed)
	day := on(10, 1, 0, 0, 0)
	for _, beside := range []struct{ folder, json string }{
		{"CloudTrail-Digest", `{"awsAccountId":"` + Analytics + `","digestStartTime":"2026-10-01T00:00:00Z","digestEndTime":"2026-10-01T01:00:00Z","digestS3Bucket":"example-store-trail","digestS3Object":"AWSLogs/` + organization + `/` + Analytics + `/CloudTrail-Digest/us-east-1/2026/10/01/x.json.gz","digestPublicKeyFingerprint":"` + hexOf("digest key")[:32] + `","digestSignatureAlgorithm":"SHA256withRSA","newestEventTime":null,"oldestEventTime":null,"previousDigestS3Bucket":null,"previousDigestS3Object":null,"previousDigestHashValue":null,"previousDigestHashAlgorithm":null,"previousDigestSignature":null,"logFiles":[]}`},
		{"CloudTrail-Insight", `{"Records":[{"eventVersion":"1.07","eventTime":"2026-10-01T00:20:00Z","awsRegion":"us-east-1","eventID":"` + hexUUID("insight") + `","eventType":"AwsCloudTrailInsight","recipientAccountId":"` + Analytics + `","sharedEventID":"` + hexUUID("insight shared") + `","insightDetails":{"state":"Start","eventSource":"athena.amazonaws.com","eventName":"StartQueryExecution","insightType":"ApiCallRateInsight","insightContext":{"statistics":{"baseline":{"average":0.02},"insight":{"average":1.5}}}},"eventCategory":"Insight"}]}`},
	} {
		f := logFile{account: Analytics, region: US, at: day.Add(time.Hour)}
		name := fmt.Sprintf("%s_%s_%s_example-store-trail_%s_%s.json.gz", Analytics, beside.folder, US, US, f.at.Format("20060102T150405Z"))
		if beside.folder == "CloudTrail-Insight" {
			name = fmt.Sprintf("%s_%s_%s_%s_%s.json.gz", Analytics, beside.folder, US, f.at.Format("20060102T1504Z"), f.unique(c.seed))
		}
		w.json = append(w.json[:0], beside.json...)
		if err := w.write(filepath.Join(dir, "AWSLogs", organization, Analytics, beside.folder, US, "2026", "10", "01", name)); err != nil {
			return err
		}
	}
	return nil
}
