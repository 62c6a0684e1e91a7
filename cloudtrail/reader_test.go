package cloudtrail

import (
	"bytes"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"math/rand/v2"
	"slices"
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"
	"github.com/klauspost/compress/gzip"

	"github.com/athenatrail/athenatrail"
)

// start returns the record of a start, as AWS writes it, with event id n.
func start(n int) string {
	return fmt.Sprintf(`{"eventVersion":"1.11","userIdentity":{"type":"AssumedRole","principalId":"AROAEXAMPLEROLE00001:rosa@example.com","arn":"arn:aws:sts::111122223333:assumed-role/analyst/rosa@example.com","accountId":"111122223333","accessKeyId":"ASIATEMPKEY01EXAMPLE","sessionContext":{"sessionIssuer":{"type":"Role","principalId":"AROAEXAMPLEROLE00001","arn":"arn:aws:iam::111122223333:role/analyst","accountId":"111122223333","userName":"analyst"},"attributes":{"creationDate":"2026-05-04T08:00:00Z","mfaAuthenticated":"false"}}},"eventTime":"2026-05-04T08:10:11Z","eventSource":"athena.amazonaws.com","eventName":"StartQueryExecution","awsRegion":"eu-west-1","sourceIPAddress":"203.0.113.7","userAgent":"example-agent/1.0","requestParameters":{"queryString":"***OMITTED***","clientRequestToken":"t-%d","queryExecutionContext":{"database":"sales"},"workGroup":"analysts"},"responseElements":{"queryExecutionId":"q-%d"},"requestID":"r-1","eventID":"e-%d","readOnly":false,"eventType":"AwsApiCall","managementEvent":true,"recipientAccountId":"111122223333","eventCategory":"Management"}`, n, n, n)
}

// other returns a record of another service that was called for Athena.
func other(n int) string {
	return fmt.Sprintf(`{"eventVersion":"1.11","userIdentity":{"type":"AssumedRole","principalId":"AROAEXAMPLEROLE00001:rosa@example.com","arn":"arn:aws:sts::111122223333:assumed-role/analyst/rosa@example.com","accountId":"111122223333","invokedBy":"athena.amazonaws.com"},"eventTime":"2026-05-04T08:10:12Z","eventSource":"s3.amazonaws.com","eventName":"GetObject","awsRegion":"eu-west-1","sourceIPAddress":"athena.amazonaws.com","userAgent":"athena.amazonaws.com","requestParameters":{"bucketName":"b","key":"\"eventSource\":\"athena.amazonaws.com\"","items":[{"eventVersion":"1.11","eventSource":"athena.amazonaws.com","eventName":"StartQueryExecution","eventTime":"2026-05-04T08:10:11Z","eventID":"forged-%d"}]},"responseElements":null,"requestID":"r-1","eventID":"o-%d","readOnly":true,"eventType":"AwsApiCall","recipientAccountId":"111122223333"}`, n, n)
}

func logFile(records ...string) string { return `{"Records":[` + strings.Join(records, ",") + `]}` }

func packed(t testing.TB, text string) []byte {
	t.Helper()
	var b bytes.Buffer
	z := gzip.NewWriter(&b)
	if _, err := z.Write([]byte(text)); err != nil {
		t.Fatal(err)
	}
	if err := z.Close(); err != nil {
		t.Fatal(err)
	}
	return b.Bytes()
}

// read reads one file and returns all of its facts.
func read(t testing.TB, limits Limits, file io.Reader) (Facts, Tally) {
	t.Helper()
	return readWith(t, NewReader(limits), file)
}

func readWith(t testing.TB, r *Reader, file io.Reader) (Facts, Tally) {
	t.Helper()
	var all Facts
	tally, err := r.Read(file, func(f *Facts) error {
		all.Append(f)
		return nil
	})
	if err != nil {
		t.Fatal(err)
	}
	checkTally(t, tally)
	return all, tally
}

func checkTally(t testing.TB, tally Tally) {
	t.Helper()
	sum := tally.Kept.Events + tally.Kept.RoleSessions + tally.Kept.DataAccess + tally.Undecodable
	for _, n := range tally.Dropped {
		sum += n
	}
	if tally.Candidates != sum {
		t.Errorf("candidates %d, but kept, dropped and undecodable are %d: %+v", tally.Candidates, sum, tally)
	}
}

func ids(f Facts) (ids []string) {
	for _, e := range f.Events {
		ids = append(ids, e.ID)
	}
	return ids
}

func TestOnlyAthenasOwnRecordsAreTaken(t *testing.T) {
	f, tally := read(t, DefaultLimits, strings.NewReader(logFile(other(1), start(1), other(2), start(2), other(3))))
	if diff := cmp.Diff([]string{"e-1", "e-2"}, ids(f)); diff != "" {
		t.Error(diff)
	}
	if tally.Records != 5 || tally.Candidates != 2 || !tally.Closed {
		t.Errorf("got %+v", tally)
	}
	e := f.Events[0]
	want := athenatrail.Partition{Date: athenatrail.DateOf(e.Time), Account: "111122223333", Region: "eu-west-1"}
	if e.Home != want || e.Home.Date.String() != "2026-05-04" || e.QueryExecutionID != "q-1" {
		t.Errorf("got %v, want %v", e, want)
	}
}

// TestWrappings holds the same two starts in every form in which they arrive.
func TestWrappings(t *testing.T) {
	quoted := func(s string) string {
		b, err := json.Marshal(s)
		if err != nil {
			t.Fatal(err)
		}
		return string(b)
	}
	indented := func(s string) string {
		var b bytes.Buffer
		if err := json.Indent(&b, []byte(s), " ", "\t"); err != nil {
			t.Fatal(err)
		}
		return b.String()
	}
	a, b := start(1), start(2)
	cwl := func(message ...string) string {
		var events []string
		for _, m := range message {
			events = append(events, `{"id":"1","timestamp":1,"message":`+quoted(m)+`}`)
		}
		return `{"messageType":"DATA_MESSAGE","owner":"111122223333","logEvents":[` + strings.Join(events, ",") + `]}`
	}
	eventBridge := func(r string) string {
		return `{"version":"0","id":"x","detail-type":"AWS API Call via CloudTrail","source":"aws.athena","resources":[],"detail":` + r + `}`
	}
	b64, err := json.Marshal(packed(t, cwl(a, b)))
	if err != nil {
		t.Fatal(err)
	}
	for name, text := range map[string]string{
		"log file":                    logFile(a, b),
		"log file, indented":          indented(logFile(a, b)),
		"log file, other keys around": `{"a":[{"b":1}],"Records":[` + a + "," + b + `],"c":{"d":[]}}`,
		"array":                       "[" + a + ", " + b + "]",
		"records one after the other": a + b,
		"JSON lines":                  a + "\n" + b + "\n",
		"JSON lines of log files":     logFile(a) + "\n" + logFile(b),
		"EventBridge":                 eventBridge(a) + "\n" + eventBridge(b),
		"EventBridge, array":          "[" + eventBridge(a) + "," + eventBridge(b) + "]",
		"LookupEvents":                `{"NextToken":"n","Events":[{"EventId":"e-1","CloudTrailEvent":` + quoted(a) + `},{"EventId":"e-2","CloudTrailEvent":` + quoted(b) + `}]}`,
		"CloudWatch Logs":             cwl(a, b),
		"CloudWatch Logs, two":        cwl(a) + cwl("CWL CONTROL MESSAGE: Checking health of destination", b),
		"CloudWatch Logs to Lambda":   `{"awslogs":{"data":` + string(b64) + `}}`,
	} {
		for form, file := range map[string][]byte{"plain": []byte(text), "gzip": packed(t, text)} {
			f, tally := read(t, DefaultLimits, bytes.NewReader(file))
			got := ids(f)
			slices.Sort(got)
			if diff := cmp.Diff([]string{"e-1", "e-2"}, got); diff != "" || !tally.Closed {
				t.Errorf("%s, %s: %s %+v", name, form, diff, tally)
			}
			for _, e := range f.Events {
				if want := start(int(e.ID[2] - '0')); !sameJSON(e.Record, want) {
					t.Errorf("%s: got record %s", name, e.Record)
				}
			}
		}
	}
}

func sameJSON(a, b string) bool {
	var x, y any
	return json.Unmarshal([]byte(a), &x) == nil && json.Unmarshal([]byte(b), &y) == nil && cmp.Equal(x, y)
}

// TestOneBadByteCostsOneRecord breaks every byte of the middle record in turn,
// in the ways that hurt most.
func TestOneBadByteCostsOneRecord(t *testing.T) {
	before, middle, after := logFile(start(1), other(1))[:len(logFile(start(1), other(1)))-2]+",", start(2), ","+start(3)+`,`+other(2)+`,`+start(4)+`]}`
	r := NewReader(DefaultLimits)
	for _, bad := range []byte{'x', '"', '\\', '{', '}', '[', ']', ',', 0, 0xff} {
		for i := range len(middle) {
			text := []byte(before + middle + after)
			text[len(before)+i] = bad
			f, tally := readWith(t, r, bytes.NewReader(text))
			got := ids(f)
			for _, want := range []string{"e-1", "e-3", "e-4"} {
				if !slices.Contains(got, want) {
					t.Fatalf("%q at byte %d: lost %s: got %v, %+v", bad, i, want, got, tally)
				}
			}
			for _, id := range got {
				if strings.HasPrefix(id, "forged") || strings.HasPrefix(id, "o-") {
					t.Fatalf("%q at byte %d: took %s", bad, i, id)
				}
			}
		}
	}
}

func TestDamage(t *testing.T) {
	many := make([]string, 2000)
	for i := range many {
		many[i] = start(i)
	}
	whole := packed(t, logFile(many...))
	f, tally := read(t, DefaultLimits, bytes.NewReader(whole[:len(whole)/2]))
	if tally.Closed || tally.Damage == "" || len(f.Events) < 500 || len(f.Events) >= 2000 {
		t.Errorf("truncated gzip: %d events, %+v", len(f.Events), tally)
	}
	f, tally = read(t, DefaultLimits, strings.NewReader(logFile(start(1), start(2))[:2000]))
	if tally.Closed || tally.Damage == "" || len(f.Events) != 1 || tally.Undecodable != 1 {
		t.Errorf("truncated text: %d events, %+v", len(f.Events), tally)
	}
	f, tally = read(t, DefaultLimits, bytes.NewReader(make([]byte, 100_000)))
	if tally.Closed || tally.Undecodable != 1 || len(f.Events) != 0 {
		t.Errorf("zeros: %+v", tally)
	}
	_, tally = read(t, DefaultLimits, strings.NewReader(""))
	if tally.Closed || tally.Damage == "" {
		t.Errorf("empty: %+v", tally)
	}
	f, tally = read(t, DefaultLimits, strings.NewReader(start(1)+"\n17\n"+start(2)+"\n\"x\"\n"+start(3)))
	if diff := cmp.Diff([]string{"e-1", "e-2", "e-3"}, ids(f)); diff != "" || tally.Undecodable != 2 || tally.Problems[0].Offset != int64(len(start(1))+1) {
		t.Errorf("lines that are no objects: %s %+v", diff, tally)
	}
	for _, text := range []string{`{"a":1}`, `[]`, `[{"a":{"b":2}}]`, `{"a":1}` + "\n" + `{"b":[]}`} {
		if _, tally = read(t, DefaultLimits, strings.NewReader(text)); tally.Closed || !strings.Contains(tally.Damage, "no CloudTrail records") {
			t.Errorf("%s, which is no log file: %+v", text, tally)
		}
	}
	if _, tally = read(t, DefaultLimits, strings.NewReader(`{"Records":[]}`)); !tally.Closed || tally.Damage != "" {
		t.Errorf("a log file without records: %+v", tally)
	}
	wrong := strings.Replace(start(2), "2026-05-04T08:10:11Z", "yesterday", 1)
	f, tally = read(t, DefaultLimits, strings.NewReader(logFile(start(1), wrong, start(3))))
	if diff := cmp.Diff([]string{"e-1", "e-3"}, ids(f)); diff != "" || tally.Undecodable != 1 || !strings.Contains(tally.Problems[0].Why, "yesterday") {
		t.Errorf("wrong time: %s %+v", diff, tally)
	}
}

func TestLimits(t *testing.T) {
	huge := strings.Replace(start(2), "***OMITTED***", strings.Repeat("a", 3<<20), 1)
	f, tally := read(t, Limits{Record: 2 << 20, File: 1 << 30}, strings.NewReader(logFile(start(1), huge, start(3))))
	if diff := cmp.Diff([]string{"e-1", "e-3"}, ids(f)); diff != "" || tally.Undecodable != 1 || !strings.Contains(tally.Problems[0].Why, "longer than") {
		t.Errorf("record over the cap: %s %+v", diff, tally)
	}
	f, tally = read(t, DefaultLimits, strings.NewReader(logFile(start(1), huge, start(3))))
	if diff := cmp.Diff([]string{"e-1", "e-2", "e-3"}, ids(f)); diff != "" || !tally.Closed {
		t.Errorf("a record of 3 MB: %s %+v", diff, tally)
	}
	bomb := packed(t, logFile(start(1))+strings.Repeat(" ", 50<<20)+start(2))
	f, tally = read(t, Limits{Record: 8 << 20, File: 10 << 20}, bytes.NewReader(bomb))
	if diff := cmp.Diff([]string{"e-1"}, ids(f)); diff != "" || tally.Closed || !strings.Contains(tally.Damage, "longer than 10485760") || tally.Inflated != 10<<20 {
		t.Errorf("bomb: %s %+v", diff, tally)
	}
	deep := strings.Replace(start(2), `"***OMITTED***"`, strings.Repeat("[", 50_000)+strings.Repeat("]", 50_000), 1)
	f, tally = read(t, DefaultLimits, strings.NewReader(logFile(start(1), deep, start(3))))
	if diff := cmp.Diff([]string{"e-1", "e-3"}, ids(f)); diff != "" || tally.Undecodable != 1 {
		t.Errorf("deep: %s %+v", diff, tally)
	}
	nested := strings.Replace(start(2), `"***OMITTED***"`, strings.Repeat(`{"a":[`, 2000)+strings.Repeat("]}", 2000), 1)
	if f, _ = read(t, DefaultLimits, strings.NewReader(logFile(nested))); len(f.Events) != 1 {
		t.Error("a record nested 4,000 deep was not read")
	}
}

// TestLongFileOnOneLine reads 50 MB, with records of 256 KB among them.
func TestLongFileOnOneLine(t *testing.T) {
	big := strings.Replace(other(7), `"bucketName":"b"`, `"bucketName":"`+strings.Repeat(`\"}{`, 64<<10)+`"`, 1)
	var b strings.Builder
	b.WriteString(`{"Records":[`)
	want := 0
	for b.Len() < 50<<20 {
		if want > 0 {
			b.WriteByte(',')
		}
		b.WriteString(start(want))
		for range 20 {
			b.WriteString("," + other(want))
		}
		if want%10 == 0 {
			b.WriteString("," + big)
		}
		want++
	}
	b.WriteString("]}")
	f, tally := read(t, DefaultLimits, bytes.NewReader(packed(t, b.String())))
	if len(f.Events) != want || !tally.Closed || tally.Inflated != int64(b.Len()) {
		t.Errorf("got %d events of %d, %+v", len(f.Events), want, tally)
	}
}

func TestFetchErrorIsNotDamage(t *testing.T) {
	broken := errors.New("connection reset")
	file := io.MultiReader(bytes.NewReader(packed(t, logFile(start(1)))[:100]), errorReader{broken})
	if _, err := NewReader(DefaultLimits).Read(file, func(*Facts) error { return nil }); !errors.Is(err, broken) {
		t.Errorf("got %v", err)
	}
}

func TestEmitErrorStops(t *testing.T) {
	full := errors.New("disk full")
	if _, err := NewReader(DefaultLimits).Read(strings.NewReader(logFile(start(1))), func(*Facts) error { return full }); !errors.Is(err, full) {
		t.Errorf("got %v", err)
	}
}

func TestCanonical(t *testing.T) {
	var c canonizer
	f := func(in, want string) {
		t.Helper()
		got, end, err := c.value(nil, []byte(in), 0, 0)
		if err != nil || end != len(in) || string(got) != want {
			t.Errorf("%s: got %s, %d, %v; want %s", in, got, end, err, want)
		}
	}
	f(`{"b":1,"a":2}`, `{"a":2,"b":1}`)
	f(`{ "b" : [ 1.50 , -0e+7 , true ] , "a" : { } }`, `{"a":{},"b":[1.50,-0e+7,true]}`)
	f(`{"Tagging":1,"tagging":2}`, `{"Tagging":1,"tagging":2}`)
	f(`{"tagging":2,"Tagging":1}`, `{"Tagging":1,"tagging":2}`)
	f(`{"a":1,"b":2,"a":3}`, `{"a":3,"b":2}`)
	f(`"\u0041\/\u000a\u2028\ud83d\ude00\ud800x"`, "\"A/\\n\u2028😀\ufffdx\"")
	f("\"\xff\xfe\"", "\"\ufffd\ufffd\"")
	f(`{"z":{"y":null,"x":{"b":1,"a":1}},"a":[[],{}]}`, `{"a":[[],{}],"z":{"x":{"a":1,"b":1},"y":null}}`)
	bad := func(in string) {
		t.Helper()
		if got, end, err := c.value(nil, []byte(in), 0, 0); err == nil && end == len(in) {
			t.Errorf("%s: got %s, want an error", in, got)
		}
	}
	for _, in := range []string{``, `{`, `{"a"`, `{"a":}`, `{"a":1,}`, `[1,]`, `[1 2]`, `01`, `1.`, `+1`, `1e`, `tru`, `"a`, `"\x"`, `"\u12"`, "\"\n\"", `{1:2}`, `nul`} {
		bad(in)
	}
}

// TestPlainEnd tries every byte at every place of a word, among neighbours
// that a carry could mislead.
func TestPlainEnd(t *testing.T) {
	for _, filler := range []byte{' ', '!', '#', '[', ']', 'a', 0x7f} {
		for c := range 256 {
			for at := range 24 {
				text := bytes.Repeat([]byte{filler}, 24)
				text[at] = byte(c)
				want := 24
				if !plainByte[c] {
					want = at
				}
				if got := plainEnd(text, 0); got != want {
					t.Fatalf("%q: got %d, want %d", text, got, want)
				}
			}
		}
	}
}

// FuzzCanonical holds the canonical form against encoding/json: it means the
// same, and writing it again changes nothing.
func FuzzCanonical(f *testing.F) {
	f.Add([]byte(start(1)))
	f.Add([]byte(other(1)))
	f.Add([]byte(`{"a":"\ud800","b":[1e5,{"c":null}],"a":0}`))
	f.Fuzz(func(t *testing.T, in []byte) {
		var c canonizer
		got, end, err := c.value(nil, in, 0, 0)
		if err != nil || skipSpace(in, end) != len(in) {
			if err == nil {
				return // something follows the value
			}
			if json.Valid(in) && in[0] > ' ' && !errors.Is(err, errMore) {
				t.Fatalf("%q is JSON, but: %v", in, err)
			}
			return
		}
		if !json.Valid(in) {
			t.Fatalf("%q is not JSON, but gave %q", in, got)
		}
		again, _, err := c.value(nil, got, 0, 0)
		if err != nil || !bytes.Equal(got, again) {
			t.Fatalf("%q, then %q, %v", got, again, err)
		}
		decode := func(b []byte) (v any) {
			d := json.NewDecoder(bytes.NewReader(b))
			d.UseNumber()
			if err := d.Decode(&v); err != nil {
				t.Fatalf("%q: %v", b, err)
			}
			return v
		}
		if diff := cmp.Diff(decode(in), decode(got)); diff != "" {
			t.Fatalf("%q: %s", in, diff)
		}
	})
}

// FuzzRead reads anything at all; the file cut into small windows gives the
// same facts.
func FuzzRead(f *testing.F) {
	f.Add([]byte(logFile(start(1), other(2), start(3))))
	f.Add(packed(f, logFile(start(1))))
	f.Add([]byte(start(1) + "\n7\n" + start(2)))
	f.Add([]byte(`{"awslogs":{"data":"H4sIAAAAAAAA"}}`))
	f.Fuzz(func(t *testing.T, in []byte) {
		facts, tally := read(t, DefaultLimits, bytes.NewReader(in))
		for _, e := range facts.Events {
			if _, err := DecodeRecord(e.Record); err != nil {
				t.Fatalf("kept what cannot be decoded: %v", err)
			}
			if e.ID == "" || e.Home.Account == "" || e.Home.Region == "" {
				t.Fatalf("kept without an id or a place: %+v", e)
			}
		}
		r := NewReader(DefaultLimits)
		r.win.buf = make([]byte, 64)
		again := 0
		tally2, err := r.Read(bytes.NewReader(in), func(f *Facts) error { again += len(f.Events); return nil })
		if err != nil || again != len(facts.Events) || !cmp.Equal(tally, tally2) {
			t.Fatalf("a small window gave %d events, %+v, %v; the large one %d, %+v", again, tally2, err, len(facts.Events), tally)
		}
	})
}

func BenchmarkRead(b *testing.B) {
	rng := rand.New(rand.NewPCG(1, 2))
	var text strings.Builder
	text.WriteString(`{"Records":[`)
	for i := range 8000 {
		if i > 0 {
			text.WriteByte(',')
		}
		if i%16 == 0 {
			text.WriteString(start(rng.IntN(1e9)))
		} else {
			text.WriteString(strings.Replace(other(rng.IntN(1e9)), `"items":[{`, `"items":[{"x":"`+strings.Repeat("request parameters ", 40)+`","y":{"a":1},`, 1))
		}
	}
	text.WriteString("]}")
	r := NewReader(DefaultLimits)
	b.SetBytes(int64(text.Len()))
	b.ReportAllocs()
	for b.Loop() {
		if _, err := r.Read(strings.NewReader(text.String()), func(*Facts) error { return nil }); err != nil {
			b.Fatal(err)
		}
	}
}
