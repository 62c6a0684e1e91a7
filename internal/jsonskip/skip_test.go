package jsonskip

import (
	"bytes"
	"errors"
	"math/rand/v2"
	"strings"
	"testing"
)

// answer is what Object returns.
type answer struct {
	end    int
	source []byte
	err    error
}

func answerOf(end int, source []byte, err error) answer { return answer{end, source, err} }

func (a answer) same(b answer) bool {
	sameErr := a.err == b.err || a.err != nil && b.err != nil && a.err.Error() == b.err.Error() && errors.Is(a.err, ErrMore) == errors.Is(b.err, ErrMore)
	return a.end == b.end && sameErr && (a.source == nil) == (b.source == nil) && bytes.Equal(a.source, b.source)
}

// check compares Object and a fresh Scanner with the scalar code.
func check(t *testing.T, b []byte, i int) {
	t.Helper()
	want := answerOf(scalarObject(b, i))
	if got := answerOf(Object(b, i)); !got.same(want) {
		t.Fatalf("Object(%q, %d) = %d %q %v, want %d %q %v", b, i, got.end, got.source, got.err, want.end, want.source, want.err)
	}
}

// checkAll compares a Scanner that goes from object to object, over broken
// ones, too, with the scalar code.
func checkAll(t *testing.T, s *Scanner, b []byte) {
	t.Helper()
	s.Reset(b)
	for i := 0; i < len(b); {
		want := answerOf(scalarObject(b, i))
		got := answerOf(s.Object(i))
		if !got.same(want) {
			t.Fatalf("Scanner(%q).Object(%d) = %d %q %v, want %d %q %v", b, i, got.end, got.source, got.err, want.end, want.source, want.err)
		}
		if want.err == nil {
			i = want.end
		} else {
			i++
		}
		if n := bytes.IndexAny(b[i:], "{["); n >= 0 {
			i += n
		} else {
			return
		}
	}
}

func TestObject(t *testing.T) {
	f := func(text string, end int, source string) {
		t.Helper()
		got := answerOf(Object([]byte(text), 0))
		if got.err != nil || got.end != end || string(got.source) != source {
			t.Errorf("Object(%s) = %d %q %v, want %d %q", text, got.end, got.source, got.err, end, source)
		}
		check(t, []byte(text), 0)
	}
	f(`{}`, 2, "")
	f(`[] {}`, 2, "")
	f(`{"a":[{},{"b":"}"}]} `, 20, "")
	f(`{"eventSource":"s3"}`, 20, "s3")
	f("{\"a\":{} , \"eventSource\" :\n\"s3\"},", 31, "s3")
	f(`{"a":{"eventSource":"s3"}}`, 26, "")
	f(`{"a":"eventSource","eventSource":5,"eventSource":"b","eventSource":"c"}`, 71, "b")
	f(`{"a\"":"\\","eventSource":"a\"b"}`, 33, `a\"b`)
	f(`{"eventSource":""}`, 18, "")
	f(`{"eventsource":"s3","xeventSource":"s3"}`, 40, "")
}

func TestObjectErrors(t *testing.T) {
	f := func(text, want string) {
		t.Helper()
		if _, _, err := Object([]byte(text), 0); err == nil || err.Error() != want {
			t.Errorf("Object(%s): %v, want %s", text, err, want)
		}
		check(t, []byte(text), 0)
	}
	f(`{"a":]`, "byte 5: want another closing bracket")
	f(`{"a":1 {`, "byte 7: want no {")
	f(`{"a":1,{`, "byte 7: want no {")
	f(`{"a":u,S}`, "byte 7: want JSON")
	f(`{"a":\"b"}`, "byte 5: want JSON")
	f(`{"é":é}`, "byte 6: want JSON")
	f(``, ErrMore.Error())
	f(`{"a":"}`, ErrMore.Error())
	f(`{"a":"\"}`, ErrMore.Error())
	f(`{"eventSource"`, ErrMore.Error())
	f(`{"eventSource":"s3`, ErrMore.Error())
}

// odd are texts that the kernel might take differently: escapes, deep
// nesting, and keys and brackets where they do not belong.
func odd() []string {
	texts := []string{
		`{"a":"\\","b":"\"","c":"\\\"","d":"\\\\"}`,
		`{"eventSource" "s3"}`, `["eventSource" "s3"]`, `["eventSource","s3"]`, `{"eventSource":{"eventSource":"x"}}`,
		`{"eventSource":"eventSource","a":"eventSource"}`, `{"eventSource":null,"eventSource":"b"}`,
		`{"a":[1,[2],{"b":3}, {"c":4} ,{}]}`, `{"a":[,{}]}`, `{"a":[1,,{}]}`, `{"a":{},{}}`, `{"a":[:{}]}`, `{ "a" : [ { } ] }`,
		`}`, `]`, `]]`, `"a"`, `1{}`, `"{}`, "{\x00}", `{"a":` + "\xff}", "{\x7f}", "{`}", `{S}`, `{"1234567u"}`, `{u}`,
		`{"\\eventSource":"a","\eventSource":"b"}`, `{"\"eventSource":"a"}`,
	}
	for _, n := range []int{1, 2, 62, 63, 64, 65, 66, 130} {
		texts = append(texts, strings.Repeat("[", n)+strings.Repeat("]", n)+"{}", strings.Repeat(`{"a":`, n)+`1`+strings.Repeat("}", n)+",{}",
			strings.Repeat(`[{"a":`, n)+strings.Repeat("}]", n), strings.Repeat("[", n)+strings.Repeat("}", n),
			`{"a":"`+strings.Repeat(`\`, n)+`","eventSource":"b\`+strings.Repeat(`\`, n)+`"}`)
	}
	for n := 60; n < 68; n++ { // one level deeper at a bracket of each kind
		opened, closed := strings.Repeat("[", n), strings.Repeat("]", n)
		texts = append(texts, opened+`1, {"a": [{}]}`+closed, opened+` [{"a": {}},{"b":[]}]`+closed, opened+` [ [ [ ] ] ] `+closed, opened+`[{"1234567u":[[[]]]}]`+closed, opened+`},{`+closed)
	}
	return texts
}

func TestOddTexts(t *testing.T) {
	var s Scanner
	for _, text := range odd() {
		for pad := range blockLen + 1 {
			b := []byte(`{"p":"` + strings.Repeat("x", pad) + `"},` + text + `,{"eventSource":"last"}]`)
			check(t, b, pad+9)
			checkAll(t, &s, b)
		}
	}
}

// blockLen is how many bytes the kernel takes at a time.
const blockLen = 64

func pair() []byte {
	r := rand.New(rand.NewPCG(3, 4))
	return []byte(record(r) + "," + record(r) + "]")
}

func TestEveryOffsetAndTruncation(t *testing.T) {
	var s Scanner
	two := pair()
	for offset := range blockLen {
		b := append(bytes.Repeat([]byte(" "), offset), two...)
		for end := offset; end <= len(b); end++ {
			// The bytes behind the slice would end the record.
			text := b[:end:end]
			check(t, text, offset)
			s.Reset(text)
			want := answerOf(scalarObject(text, offset))
			if got := answerOf(s.Object(offset)); !got.same(want) {
				t.Fatalf("offset %d, %d bytes: got %v, want %v", offset, end, got, want)
			}
		}
	}
}

func TestEveryCorruption(t *testing.T) {
	var s Scanner
	two := pair()
	for i := range two {
		was := two[i]
		for c := range 256 {
			if strings.IndexByte("{}[]\"\\:, 0u", byte(c)) < 0 && c%16 != i%16 {
				continue // every byte that means something, and a sample of the others
			}
			two[i] = byte(c)
			checkAll(t, &s, two)
		}
		two[i] = was
	}
}

// TestScannerAnywhere asks for objects in no order, inside of strings, too.
func TestScannerAnywhere(t *testing.T) {
	text, _ := records(64 << 10)
	r := rand.New(rand.NewPCG(5, 6))
	var s Scanner
	s.Reset(text)
	i := 0
	for range 20_000 {
		if r.IntN(2) == 0 {
			i = r.IntN(len(text))
		}
		want := answerOf(scalarObject(text, i))
		if got := answerOf(s.Object(i)); !got.same(want) {
			t.Fatalf("at %d: got %v, want %v", i, got, want)
		}
		if want.err == nil {
			i = want.end + r.IntN(3)
		}
		i = min(i, len(text))
	}
}

// TestTokens strings together what JSON is made of, mostly in a possible
// order, so that many objects get far before they turn out wrong.
func TestTokens(t *testing.T) {
	tokens := []string{`{`, `}`, `[`, `]`, `,`, `:`, `{}`, `},`, `],`, `[{`, `}]`, `},{`, ` `, "\n", `"`, `\`, `\"`, `\\`, `é`, `x`, `true`, `-1.5e+3`,
		`"a":`, `"a":1,`, `"a":{`, `"a":[`, `"eventSource"`, `"eventSource":"s3"`, `"eventSource":"s3",`, `"\"":`, `"eventTime":"2025-03-03T05:00:00Z",`,
		`"1234567u":`, strings.Repeat("x", 61), `"` + strings.Repeat("x", 55) + `":`, `"` + strings.Repeat(`\\`, 30) + `":`}
	r := rand.New(rand.NewPCG(7, 8))
	var s Scanner
	var b []byte
	for range 20_000 {
		b = append(b[:0], `{"a":`...)
		for range r.IntN(60) {
			b = append(b, tokens[r.IntN(len(tokens))]...)
		}
		check(t, b, 0)
		checkAll(t, &s, b[:r.IntN(len(b)+1)])
	}
}

func FuzzSameAsScalar(f *testing.F) {
	two := pair()
	f.Add(two, uint16(0))
	f.Add(two[:len(two)-700], uint16(3))
	for _, text := range odd() {
		f.Add([]byte(text), uint16(0))
		f.Add([]byte(`{"x":"0123456789012345678901234567890123456789012345678","y":`+text+`}`), uint16(0))
	}
	var s Scanner
	f.Fuzz(func(t *testing.T, b []byte, at uint16) {
		i := 0
		if len(b) > 0 {
			i = int(at) % len(b)
		}
		check(t, b, i)
		checkAll(t, &s, b)
		s.Object(i)
		want := answerOf(scalarObject(b, i))
		if got := answerOf(s.Object(i)); !got.same(want) {
			t.Fatalf("second look at %d: got %v, want %v", i, got, want)
		}
	})
}

func benchmark(b *testing.B, object func(text []byte, i int) (int, []byte, error)) {
	text, n := records(1 << 20)
	b.SetBytes(int64(len(text)))
	b.ReportAllocs()
	for b.Loop() {
		found := 0
		for i := 0; i < len(text) && text[i] == '{'; found++ {
			end, source, err := object(text, i)
			if err != nil || source == nil {
				b.Fatal(i, err)
			}
			i = end + 1
		}
		if found != n {
			b.Fatal(found, n)
		}
	}
}

func BenchmarkScalar(b *testing.B) { benchmark(b, scalarObject) }

func BenchmarkObject(b *testing.B) { benchmark(b, Object) }

func BenchmarkScanner(b *testing.B) {
	s := new(Scanner)
	benchmark(b, func(text []byte, i int) (int, []byte, error) {
		if i == 0 {
			s.Reset(text)
		}
		return s.Object(i)
	})
}
