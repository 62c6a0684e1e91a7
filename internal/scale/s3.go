package scale

import (
	"bytes"
	"encoding/xml"
	"fmt"
	"hash/fnv"
	"io"
	"maps"
	"net/http"
	"slices"
	"strconv"
	"strings"
	"sync"
	"time"

	"github.com/aws/aws-sdk-go-v2/aws"
	"github.com/aws/aws-sdk-go-v2/credentials"
	"github.com/aws/aws-sdk-go-v2/service/s3"
	"golang.org/x/time/rate"
)

// A Bucket is a model of one: it holds objects in memory, answers as S3 does
// after the time that S3 takes, by the clock of whoever calls it, and counts.
type Bucket struct {
	latency Latency
	core    chan struct{} // one processor, which inflates; nil: none

	mu      sync.Mutex
	objects map[string]object
	keys    []string // sorted
	counts  Counts
	days    int64 // LISTs of a day of all accounts
	reads   *rate.Limiter
	writes  *rate.Limiter
}

type object struct {
	data []byte
	etag string
	size int64 // of a log file, as it is modelled
}

// Counts are requests, as S3 bills them.
type Counts struct {
	List, Get, Put, Delete int64
	Slowed                 int64 // answered 503 because there were too many
}

// Plus returns the sum of both.
func (c Counts) Plus(d Counts) Counts {
	return Counts{c.List + d.List, c.Get + d.Get, c.Put + d.Put, c.Delete + d.Delete, c.Slowed + d.Slowed}
}

// Minus returns what was counted since d.
func (c Counts) Minus(d Counts) Counts {
	return Counts{c.List - d.List, c.Get - d.Get, c.Put - d.Put, c.Delete - d.Delete, c.Slowed - d.Slowed}
}

func newBucket(l Latency) *Bucket {
	return &Bucket{
		latency: l, objects: map[string]object{},
		reads:  rate.NewLimiter(S3ReadsPerSecond, S3ReadsPerSecond),
		writes: rate.NewLimiter(S3WritesPerSecond, S3WritesPerSecond),
	}
}

// fill adds objects without counting them.
func (b *Bucket) fill(objects map[string]object) {
	b.mu.Lock()
	defer b.mu.Unlock()
	maps.Copy(b.objects, objects)
	b.keys = slices.Sorted(maps.Keys(b.objects))
}

// Counted returns what was asked so far.
func (b *Bucket) Counted() Counts {
	b.mu.Lock()
	defer b.mu.Unlock()
	return b.counts
}

// listedDays returns how many of the LISTs were of all accounts' files of a day.
// They take a page for a thousand files, where others take one.
func (b *Bucket) listedDays() int64 {
	b.mu.Lock()
	defer b.mu.Unlock()
	return b.days
}

// size returns the bytes of the objects below a prefix.
func (b *Bucket) size(prefix string) (n int64) {
	b.mu.Lock()
	defer b.mu.Unlock()
	for key, o := range b.objects {
		if strings.HasPrefix(key, prefix) {
			n += int64(len(o.data))
		}
	}
	return n
}

func (b *Bucket) client() *s3.Client {
	return s3.New(s3.Options{
		Region: "us-east-1", BaseEndpoint: aws.String("http://model"), UsePathStyle: true, HTTPClient: b,
		Credentials:                credentials.NewStaticCredentialsProvider("AKIDEXAMPLE", "secret", ""),
		RequestChecksumCalculation: aws.RequestChecksumCalculationWhenRequired,
		ResponseChecksumValidation: aws.ResponseChecksumValidationWhenRequired,
	})
}

// Do answers a request of the SDK's.
func (b *Bucket) Do(r *http.Request) (*http.Response, error) {
	var body []byte
	if r.Body != nil {
		var err error
		if body, err = io.ReadAll(r.Body); err != nil {
			return nil, err
		}
	}
	_, key, _ := strings.Cut(strings.TrimPrefix(r.URL.Path, "/"), "/")
	isList := r.Method == http.MethodGet && key == ""
	b.mu.Lock()
	limit := b.writes
	switch {
	case isList:
		b.counts.List++
		if prefix := r.URL.Query().Get("prefix"); strings.HasPrefix(prefix, "facts/") || strings.HasPrefix(prefix, "tables/") {
			b.days++
		}
		limit = b.reads // ListObjectsV2 is a GET of the bucket
	case r.Method == http.MethodPut:
		b.counts.Put++
	case r.Method == http.MethodDelete:
		b.counts.Delete++
	default:
		b.counts.Get++
		limit = b.reads
	}
	slow := !limit.AllowN(time.Now(), 1)
	if slow {
		b.counts.Slowed++
	}
	b.mu.Unlock()
	time.Sleep(b.latency.Request)
	switch {
	case slow:
		return failure(r, http.StatusServiceUnavailable, "SlowDown"), nil
	case isList:
		return b.list(r), nil
	case r.Method == http.MethodPut:
		return b.put(r, key, body), nil
	case r.Method == http.MethodDelete:
		return b.delete(r, key), nil
	}
	return b.get(r, key), nil
}

func answer(r *http.Request, status int, header http.Header, body []byte) *http.Response {
	if header == nil {
		header = http.Header{}
	}
	header.Set("Content-Length", strconv.Itoa(len(body)))
	return &http.Response{
		StatusCode: status, Status: http.StatusText(status), Proto: "HTTP/1.1", ProtoMajor: 1, ProtoMinor: 1,
		Header: header, ContentLength: int64(len(body)), Body: io.NopCloser(bytes.NewReader(body)), Request: r,
	}
}

func failure(r *http.Request, status int, code string) *http.Response {
	return answer(r, status, http.Header{"Content-Type": {"application/xml"}}, fmt.Appendf(nil, "<Error><Code>%s</Code></Error>", code))
}

func (b *Bucket) get(r *http.Request, key string) *http.Response {
	b.mu.Lock()
	o, ok := b.objects[key]
	b.mu.Unlock()
	if match := r.Header.Get("If-Match"); ok && match != "" && match != o.etag {
		return failure(r, http.StatusPreconditionFailed, "PreconditionFailed")
	}
	if !ok {
		return failure(r, http.StatusNotFound, "NoSuchKey")
	}
	if o.size > 0 && b.core != nil {
		// A log file is inflated and looked through while it is read.
		b.core <- struct{}{}
		time.Sleep(time.Duration(float64(o.size) * float64(b.latency.PerGB) / 1e9))
		<-b.core
	}
	header := http.Header{"Etag": {o.etag}}
	data, status := o.data, http.StatusOK
	if span, ok := strings.CutPrefix(r.Header.Get("Range"), "bytes="); ok {
		from, _, _ := strings.Cut(span, "-")
		start, err := strconv.Atoi(from)
		if err != nil { // the last bytes
			n, _ := strconv.Atoi(strings.TrimPrefix(span, "-"))
			start = max(0, len(data)-n)
		}
		header.Set("Content-Range", fmt.Sprintf("bytes %d-%d/%d", start, len(data)-1, len(data)))
		data, status = data[start:], http.StatusPartialContent
	}
	return answer(r, status, header, data)
}

func (b *Bucket) put(r *http.Request, key string, body []byte) *http.Response {
	b.mu.Lock()
	defer b.mu.Unlock()
	old, exists := b.objects[key]
	if r.Header.Get("If-None-Match") == "*" && exists {
		return failure(r, http.StatusPreconditionFailed, "PreconditionFailed")
	}
	if match := r.Header.Get("If-Match"); match != "" {
		if !exists {
			return failure(r, http.StatusNotFound, "NoSuchKey")
		}
		if match != old.etag {
			return failure(r, http.StatusPreconditionFailed, "PreconditionFailed")
		}
	}
	o := newObject(body)
	b.objects[key] = o
	if at, found := slices.BinarySearch(b.keys, key); !found {
		b.keys = slices.Insert(b.keys, at, key)
	}
	return answer(r, http.StatusOK, http.Header{"Etag": {o.etag}}, nil)
}

func newObject(data []byte) object {
	h := fnv.New128a()
	h.Write(data)
	return object{data: data, etag: fmt.Sprintf(`"%x"`, h.Sum(nil))}
}

func (b *Bucket) delete(r *http.Request, key string) *http.Response {
	b.mu.Lock()
	defer b.mu.Unlock()
	if _, ok := b.objects[key]; ok {
		delete(b.objects, key)
		if at, found := slices.BinarySearch(b.keys, key); found {
			b.keys = slices.Delete(b.keys, at, at+1)
		}
	}
	return answer(r, http.StatusNoContent, nil, nil)
}

// pageKeys is how many keys and folders S3 lists at once.
const pageKeys = 1000

func (b *Bucket) list(r *http.Request) *http.Response {
	type content struct {
		Key, ETag, LastModified string
		Size                    int64
	}
	type common struct{ Prefix string }
	var out struct {
		XMLName               xml.Name `xml:"ListBucketResult"`
		IsTruncated           bool
		NextContinuationToken string `xml:",omitempty"`
		Contents              []content
		CommonPrefixes        []common
	}
	q := r.URL.Query()
	prefix, delimiter, limit := q.Get("prefix"), q.Get("delimiter"), pageKeys
	if n, err := strconv.Atoi(q.Get("max-keys")); err == nil {
		limit = min(limit, n)
	}
	from := max(prefix, q.Get("start-after")+"\x00")
	if token := q.Get("continuation-token"); token != "" {
		from = token
	}
	b.mu.Lock()
	defer b.mu.Unlock()
	at, _ := slices.BinarySearch(b.keys, from)
	for n := 0; at < len(b.keys) && strings.HasPrefix(b.keys[at], prefix); n++ {
		key := b.keys[at]
		if n == limit {
			out.IsTruncated, out.NextContinuationToken = true, key
			break
		}
		if i := strings.Index(key[len(prefix):], "/"); delimiter != "" && i >= 0 {
			folder := key[:len(prefix)+i+1]
			out.CommonPrefixes = append(out.CommonPrefixes, common{folder})
			at, _ = slices.BinarySearch(b.keys, folder+"\xff")
			continue
		}
		o := b.objects[key]
		out.Contents = append(out.Contents, content{key, o.etag, "2026-01-01T00:00:00.000Z", int64(len(o.data))})
		at++
	}
	body, err := xml.Marshal(out)
	if err != nil {
		panic(err)
	}
	return answer(r, http.StatusOK, http.Header{"Content-Type": {"application/xml"}}, body)
}
