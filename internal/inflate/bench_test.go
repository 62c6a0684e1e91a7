package inflate

import (
	"bytes"
	"compress/gzip"
	"io"
	"os"
	"testing"

	kgzip "github.com/klauspost/compress/gzip"
)

// BenchmarkInflate decodes a log file of 16 MB with a reader that is warm, as
// in a program that reads many.
func BenchmarkInflate(b *testing.B) {
	plain, packed := benchFile()
	if name := os.Getenv("INFLATE_BENCH_FILE"); name != "" {
		// A gzip file of one's own, to check against other data.
		var err error
		if packed, err = os.ReadFile(name); err != nil {
			b.Fatal(err)
		}
		if plain, err = stdlib(packed, 1<<30); err != io.EOF {
			b.Fatal(err)
		}
	}
	buf := make([]byte, 1<<20)
	b.Run("ours", func(b *testing.B) {
		b.SetBytes(int64(len(plain)))
		var r Reader
		for b.Loop() {
			if n := drain(b, &r, packed, buf); n != len(plain) {
				b.Fatal(n)
			}
		}
	})
	b.Run("klauspost", func(b *testing.B) {
		b.SetBytes(int64(len(plain)))
		var z kgzip.Reader
		for b.Loop() {
			if err := z.Reset(bytes.NewReader(packed)); err != nil {
				b.Fatal(err)
			}
			readAll(b, &z, buf, len(plain))
		}
	})
	b.Run("stdlib", func(b *testing.B) {
		b.SetBytes(int64(len(plain)))
		var z gzip.Reader
		for b.Loop() {
			if err := z.Reset(bytes.NewReader(packed)); err != nil {
				b.Fatal(err)
			}
			readAll(b, &z, buf, len(plain))
		}
	})
}

func readAll(b *testing.B, z io.Reader, buf []byte, want int) {
	total := 0
	for {
		n, err := z.Read(buf)
		total += n
		if err == io.EOF {
			break
		}
		if err != nil {
			b.Fatal(err)
		}
	}
	if total != want {
		b.Fatal(total)
	}
}
