package cloudtrail

import (
	"bufio"
	"bytes"
	"encoding/base64"
	"errors"
	"fmt"
	"io"
	"time"

	"github.com/klauspost/compress/gzip"

	"github.com/athenatrail/athenatrail/internal/inflate"
)

// Limits bound what is read of one log file. CloudTrail itself writes records
// of at most 256 KB into files of at most 50 MB.
type Limits struct {
	Record int   // bytes of one record's text
	File   int64 // bytes of one file's text, inflated
}

// DefaultLimits are far above anything that a trail delivers.
var DefaultLimits = Limits{Record: 8 << 20, File: 1 << 30}

// A Tally counts what a log file held. It is a function of the file's bytes
// alone. Candidates, the records of the sources that are looked at, are as
// many as Kept, Dropped and Undecodable together.
type Tally struct {
	Inflated    int64 // bytes of text
	Closed      bool  // the JSON was closed and, if compressed, its checksum was right
	Records     int64 // records passed or decoded
	Candidates  int64
	Kept        Kept
	Dropped     map[string]int64 // by reason
	Undecodable int64
	Problems    []Problem // the first of what could not be decoded, at most 20
	Damage      string    // why the file could not be read to its end; empty if it was
	Newest      time.Time // the latest eventTime of the records kept or dropped
}

// Kept counts the records that became facts. An event of a session is counted
// once, though it is stored twice.
type Kept struct{ Events, RoleSessions, DataAccess int64 }

// A Problem is text that could not be decoded.
type Problem struct {
	Offset int64  `json:"offset"` // in the inflated text
	Why    string `json:"why"`
}

const maxProblems = 20

func (t *Tally) problem(offset int64, why string) {
	t.Candidates++
	t.Undecodable++
	if len(t.Problems) < maxProblems {
		t.Problems = append(t.Problems, Problem{offset, why})
	}
}

// A Reader reads log files, one after the other. It keeps its buffers.
type Reader struct {
	limits Limits
	src    []byte
	win    window
	canon  canonizer
	text   []byte // of the record at hand, in canonical form
	gz     inflate.Reader
	tally  Tally
	facts  Facts
	emit   func(*Facts) error
	failed error // of emit
	cut    bool  // the JSON ended too early
	log    bool  // something was recognized: a record, or a wrapping of records
}

// NewReader returns a Reader with those limits.
func NewReader(limits Limits) *Reader { return &Reader{limits: limits} }

// maxWhole is the longest compressed file that is held in memory whole, which
// is the fast way. CloudTrail's are under 10 MB.
const maxWhole = 64 << 20

// emitSize is how many bytes of facts are gathered before they are passed on.
const emitSize = 1 << 20

// Read reads one log file, compressed or not as its first bytes tell, and
// passes its facts to emit, in parts; emit must not keep the slices. An error
// means that the file could not be fetched to its end, or is emit's own. A
// file that was fetched whole but is damaged is no error: the tally tells,
// and what it held before and behind the damage was passed on.
func (r *Reader) Read(file io.Reader, emit func(*Facts) error) (Tally, error) {
	r.tally = Tally{Dropped: map[string]int64{}}
	r.facts.reset()
	r.emit, r.failed, r.cut, r.log = emit, nil, false, false
	in := &fetch{r: file}
	from, err := r.open(in)
	if err != nil {
		return r.tally, err
	}
	r.win.reset(from, r.limits)
	r.document()
	r.tally.Inflated = r.win.offset(r.win.end)
	r.flush()
	if in.err != nil {
		return r.tally, in.err
	}
	return r.tally, r.failed
}

// A fetch remembers the error of a file that could not be read on.
type fetch struct {
	r   io.Reader
	err error
}

func (f *fetch) Read(p []byte) (int, error) {
	n, err := f.r.Read(p)
	if err != nil && err != io.EOF {
		f.err = err
	}
	return n, err
}

// open decides how the text is got out of the file.
func (r *Reader) open(in *fetch) (filler, error) {
	if r.src == nil {
		r.src = make([]byte, 0, 1<<20)
	}
	src := r.src[:0]
	for {
		if len(src) == cap(src) {
			if len(src) >= maxWhole {
				break
			}
			src = append(src, 0)[:len(src)]
		}
		n, err := in.Read(src[len(src):cap(src)])
		src = src[:len(src)+n]
		if err == io.EOF {
			r.src = src
			if isGzip(src) {
				r.gz.Reset(src)
				return &r.gz, nil
			}
			return readerFiller{bytes.NewReader(src)}, nil
		}
		if err != nil {
			return nil, err
		}
	}
	r.src = src
	rest := io.MultiReader(bytes.NewReader(src), in)
	if !isGzip(src) {
		return readerFiller{rest}, nil
	}
	z, err := gzip.NewReader(bufio.NewReaderSize(rest, 64<<10))
	if err != nil {
		return readerFiller{errorReader{err}}, nil
	}
	return readerFiller{z}, nil
}

func isGzip(b []byte) bool { return len(b) >= 2 && b[0] == 0x1f && b[1] == 0x8b }

type errorReader struct{ err error }

func (r errorReader) Read([]byte) (int, error) { return 0, r.err }

// reset empties f for new facts, which get memory of their own.
func (f *Facts) reset() { *f = Facts{} }

func (r *Reader) flush() {
	if r.failed != nil || r.facts.size == 0 {
		return
	}
	r.failed = r.emit(&r.facts)
	r.facts.reset()
}

// document reads the text's values one after the other.
func (r *Reader) document() {
	w := &r.win
	stray := "" // what may lie about between records once one was broken
	whole := true
	for r.failed == nil && w.skipSpace(stray) {
		offset := w.offset(w.start)
		var ok bool
		switch w.buf[w.start] {
		case '{':
			ok = r.topObject()
		case '[':
			w.start++
			ok = r.array()
		default:
			r.tally.problem(offset, "not a JSON object")
			ok = r.skipLine()
			stray = ",]}"
		}
		if !ok {
			whole = false
			if !r.resync() {
				break
			}
			stray = ",]}"
		}
	}
	if r.failed == nil {
		w.drain() // so that what is counted does not hang on the window's size
	}
	switch {
	case w.err != nil && w.err != io.EOF:
		r.tally.Damage = w.err.Error()
	case w.offset(w.end) == 0:
		r.tally.Damage = "the file is empty"
	case r.cut:
		r.tally.Damage = "the JSON ends too early"
	case !whole:
		r.tally.Damage = "the JSON is broken"
	case !r.log && r.tally.Records == 0 && r.tally.Undecodable == 0:
		r.tally.Damage = "there are no CloudTrail records in it: it is no log file of a trail"
	default:
		r.tally.Closed = r.tally.Undecodable == 0
	}
}

// topObject reads an object that stands alone: it holds an array of records,
// or is a record itself or the wrapping of one. It reports false, having
// passed nothing but what it read, when the object is broken.
func (r *Reader) topObject() bool {
	w := &r.win
	for i := w.start + 1; ; {
		i = skipSpace(w.buf[:w.end], i)
		if i < w.end && w.buf[i] == ',' {
			i = skipSpace(w.buf[:w.end], i+1)
		}
		if i < w.end && w.buf[i] == '}' {
			text := w.buf[w.start : i+1]
			offset := w.offset(w.start)
			w.start = i + 1
			r.element(text, offset, 0)
			return true
		}
		var end int
		var err error = errMore
		if i < w.end {
			if w.buf[i] != '"' {
				r.tally.problem(w.offset(w.start), fmt.Sprintf("byte %d: want a key", i-w.start))
				return false
			}
			if keyEnd := endOfString(w.buf[:w.end], i+1); keyEnd >= 0 {
				key := w.buf[i+1 : keyEnd]
				v := skipSpace(w.buf[:w.end], keyEnd+1)
				if v < w.end && w.buf[v] == ':' {
					v = skipSpace(w.buf[:w.end], v+1)
				}
				if v < w.end && w.buf[v] == '[' && isRecordsKey(key) {
					w.start = v + 1
					r.log = true
					return r.array() && r.closeObject()
				}
				end, err = skipValue(w.buf[:w.end], v)
			}
		}
		switch {
		case err == nil:
			i = end
		case !errors.Is(err, errMore):
			r.tally.problem(w.offset(w.start), err.Error())
			return false
		case w.end-w.start > w.maxRecord:
			r.tally.problem(w.offset(w.start), fmt.Sprintf("an object longer than %d bytes", w.maxRecord))
			return false
		case !w.more():
			r.cutOff()
			return false
		default:
			i = w.start + 1 // the text may have moved: look at it again
		}
	}
}

// isRecordsKey tells the arrays that hold records: of a log file, of an
// answer of LookupEvents, of a CloudWatch Logs subscription.
func isRecordsKey(key []byte) bool {
	switch string(key) {
	case "Records", "Events", "logEvents":
		return true
	}
	return false
}

// closeObject passes what follows an array of records in its object.
func (r *Reader) closeObject() bool {
	w := &r.win
	for w.skipSpace(",:") {
		if w.buf[w.start] == '}' {
			w.start++
			return true
		}
		end, err := skipValue(w.buf[:w.end], w.start)
		if err == nil {
			w.start = end
		} else if !errors.Is(err, errMore) || !w.more() {
			break
		}
	}
	r.cutOff()
	return false
}

// array reads the elements of an array of records up to its end. It reports
// false where the text ends first, or where a broken record leaves no telling
// how deep the next one lies.
func (r *Reader) array() bool {
	w := &r.win
	for r.failed == nil && w.skipSpace(",") {
		switch w.buf[w.start] {
		case ']':
			w.start++
			return true
		case '{':
			if !r.record() && !r.resync() {
				return false
			}
		default:
			offset := w.offset(w.start)
			r.tally.problem(offset, "a record that is not a JSON object")
			end, err := skipValue(w.buf[:w.end], w.start)
			for errors.Is(err, errMore) && w.more() {
				end, err = skipValue(w.buf[:w.end], w.start)
			}
			if err == nil {
				w.start = end
			} else if w.start++; !r.resync() {
				return false
			}
		}
		if r.facts.size >= emitSize {
			r.flush()
		}
	}
	r.cutOff()
	return false
}

// record reads the object at the window's start, an element of an array. It
// reports false when the object is broken, and leaves it unpassed.
func (r *Reader) record() bool {
	w := &r.win
	for {
		end, source, err := w.scan.Object(w.start)
		switch {
		case err == nil && end-w.start > w.maxRecord, errors.Is(err, errMore) && w.end-w.start > w.maxRecord:
			r.tally.problem(w.offset(w.start), fmt.Sprintf("a record longer than %d bytes", w.maxRecord))
			return false
		case err == nil && end == w.end && w.more():
			// What follows the record tells whether it ended where it should.
		case err == nil && !endsElement(w.buf[end:w.end]):
			r.tally.problem(w.offset(w.start), fmt.Sprintf("byte %d: want , or ]", end-w.start))
			return false
		case err == nil:
			text, offset := w.buf[w.start:end], w.offset(w.start)
			w.start = end
			switch {
			case source == nil:
				r.element(text, offset, 0)
			case isByService(text, source):
				// Most records of STS are of services that take a role for
				// themselves; that is told without decoding them.
				r.tally.Records++
				r.tally.Candidates++
				r.tally.Dropped[DropSTSService]++
			case isCandidate(source):
				r.tally.Records++
				r.candidate(text, offset)
			default:
				r.tally.Records++
			}
			return true
		case !errors.Is(err, errMore):
			r.tally.problem(w.offset(w.start), err.Error())
			return false
		case !w.more():
			r.tally.problem(w.offset(w.start), "the text ends inside this record")
			return false
		}
	}
}

// endsElement tells whether text may follow an element of an array.
func endsElement(text []byte) bool {
	i := skipSpace(text, 0)
	return i == len(text) || text[i] == ',' || text[i] == ']'
}

// isByService tells a record of STS whose caller is an AWS service, if it is
// laid out as CloudTrail does: eventVersion, then userIdentity, whose first
// member is its type.
func isByService(text, source []byte) bool {
	if string(source) != sourceSTS {
		return false
	}
	rest, ok := bytes.CutPrefix(text, []byte(`{"eventVersion":"`))
	if !ok {
		return false
	}
	_, rest, ok = bytes.Cut(rest[:min(len(rest), 100)], []byte(`"`))
	return ok && bytes.HasPrefix(rest, []byte(`,"userIdentity":{"type":"AWSService",`))
}

func isCandidate(source []byte) bool {
	switch string(source) {
	case sourceAthena, sourceSTS, sourceLakeFormation:
		return true
	}
	if bytes.IndexByte(source, '\\') < 0 {
		return false
	}
	s, err := unescape(string(source))
	return err == nil && (s == sourceAthena || s == sourceSTS || s == sourceLakeFormation)
}

// recordStart is how many bytes nextRecord may have to see together.
const recordStart = 64

// nextRecord returns where in text something begins that looks like a record,
// an object whose first member is eventVersion, or -1.
func nextRecord(text []byte) int {
	const key = `"eventVersion"`
	for at := 0; ; {
		i := bytes.Index(text[at:], []byte(key))
		if i < 0 {
			return -1
		}
		before := bytes.TrimRight(text[:at+i], " \t\r\n")
		if len(before) > 0 && before[len(before)-1] == '{' {
			return len(before) - 1
		}
		at += i + len(key)
	}
}

// resync goes on behind a broken record, at what looks like the next one's
// beginning. It reports false where there is none.
func (r *Reader) resync() bool {
	w := &r.win
	w.start = min(w.start+1, w.end)
	for {
		if next := nextRecord(w.text()); next >= 0 {
			w.start += next
			return true
		}
		w.start = max(w.start, w.end-recordStart)
		if !w.more() {
			w.start = w.end
			return false
		}
	}
}

// skipLine passes what is no object, to the end of its line or to the next
// record.
func (r *Reader) skipLine() bool {
	w := &r.win
	for {
		line := bytes.IndexByte(w.text(), '\n')
		if line < 0 {
			line = len(w.text())
		}
		if next := nextRecord(w.text()[:line]); next >= 0 {
			w.start += next
			return true
		}
		if w.start+line < w.end {
			w.start += line + 1
			return true
		}
		w.start = max(w.start, w.end-recordStart)
		if !w.more() {
			w.start = w.end
			return true
		}
	}
}

// cutOff notes that the JSON ended before its objects and arrays did.
func (r *Reader) cutOff() { r.cut = true }

// maxWraps bounds how many wrappings are opened around a record.
const maxWraps = 4

// element reads an object whose place tells nothing: a record, or a wrapping
// of records.
func (r *Reader) element(text []byte, offset int64, wraps int) {
	if wraps > maxWraps {
		return
	}
	var err error
	if r.text, _, err = r.canon.value(r.text[:0], text, 0, 0); err != nil {
		r.tally.problem(offset, err.Error())
		return
	}
	whole := string(r.text)
	var source, detailType string
	for o := objectIn(whole); ; {
		key, v, ok := o.next()
		if !ok {
			break
		}
		switch key {
		case "eventSource":
			source = stringIn(v)
		case "detail-type":
			detailType = stringIn(v)
		}
	}
	if source != "" {
		r.log = true
		r.tally.Records++
		if isCandidate([]byte(source)) {
			r.canonical(whole, offset)
		}
		return
	}
	for o := objectIn(whole); ; {
		key, v, ok := o.next()
		if !ok {
			break
		}
		switch key {
		case "detail", "CloudTrailEvent", "message", "Records", "Events", "logEvents", "awslogs":
			r.log = true
		}
		switch key {
		case "detail": // of an EventBridge event
			if detailType == "Athena Query State Change" {
				r.tally.Candidates++
				r.tally.Dropped[DropStateChange]++
			} else if v[0] == '{' {
				r.element([]byte(v), offset, wraps+1)
			}
		case "CloudTrailEvent", "message": // of LookupEvents, of CloudWatch Logs
			if inner := bytes.TrimSpace([]byte(stringIn(v))); len(inner) > 0 && inner[0] == '{' {
				r.element(inner, offset, wraps+1)
			} else if key == "CloudTrailEvent" {
				r.tally.problem(offset, "CloudTrailEvent holds no JSON object")
			}
		case "Records", "Events", "logEvents":
			r.elements(v, offset, wraps)
		case "awslogs": // of a CloudWatch Logs subscription, as a Lambda gets it
			r.subscription(v, offset, wraps)
		}
	}
}

func (r *Reader) elements(array string, offset int64, wraps int) {
	if array[0] != '[' {
		return
	}
	for i := 1; i < len(array); i++ { // canonical: values and commas
		end := valueEnd(array, i)
		if end < 0 || end <= i {
			return
		}
		if array[i] == '{' {
			r.element([]byte(array[i:end]), offset, wraps+1)
		}
		i = end
	}
}

// subscription reads the base64 of gzip that CloudWatch Logs sends.
func (r *Reader) subscription(v string, offset int64, wraps int) {
	for o := objectIn(v); ; {
		key, v, ok := o.next()
		if !ok {
			return
		}
		if key != "data" {
			continue
		}
		packed, err := base64.StdEncoding.DecodeString(stringIn(v))
		if err == nil {
			var z *gzip.Reader
			if z, err = gzip.NewReader(bytes.NewReader(packed)); err == nil {
				packed, err = io.ReadAll(io.LimitReader(z, int64(r.limits.Record)+1))
			}
		}
		if err == nil && len(packed) > r.limits.Record {
			err = fmt.Errorf("longer than %d bytes", r.limits.Record)
		}
		if err != nil {
			r.tally.problem(offset, "awslogs.data: "+err.Error())
			return
		}
		r.element(packed, offset, wraps+1)
	}
}

// candidate decodes a record of a source that is looked at.
func (r *Reader) candidate(text []byte, offset int64) {
	var err error
	if r.text, _, err = r.canon.value(r.text[:0], text, 0, 0); err != nil {
		r.tally.problem(offset, err.Error())
		return
	}
	r.canonical(string(r.text), offset)
}

func (r *Reader) canonical(raw string, offset int64) {
	rec, dropped, err := r.facts.add(raw)
	if err != nil {
		r.tally.problem(offset, err.Error())
		return
	}
	r.tally.Candidates++
	if rec.EventTime.After(r.tally.Newest) {
		r.tally.Newest = rec.EventTime
	}
	switch {
	case dropped != "":
		r.tally.Dropped[dropped]++
	case rec.EventSource == sourceAthena:
		r.tally.Kept.Events++
	case rec.EventSource == sourceSTS:
		r.tally.Kept.RoleSessions++
	default:
		r.tally.Kept.DataAccess++
	}
}
