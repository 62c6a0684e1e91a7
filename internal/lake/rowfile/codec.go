package rowfile

import (
	"sync"

	"github.com/klauspost/compress/zstd"
	"github.com/parquet-go/parquet-go"
	"github.com/parquet-go/parquet-go/format"
)

// A codec compresses pages with zstd. parquet-go's own keeps encoders with a
// window of 4 MiB or more, for which each sets twice as much memory aside; a
// page is seldom longer than half of that. Files are read by parquet-go's.
type codec struct {
	level zstd.EncoderLevel

	once    sync.Once
	encoder *zstd.Encoder
}

// codecWindow is how far back an encoder looks, in bytes.
const codecWindow = 2 << 20

// fastCodec writes events in two thirds of SpeedDefault's time, into files of
// the same size.
var fastCodec = &codec{level: zstd.SpeedFastest}

// smallCodec is that of files which are to be small: it takes two to three
// times as long to write, and as long to read.
var smallCodec = &codec{level: zstd.SpeedBetterCompression}

func (c *codec) String() string { return "ZSTD" }

func (c *codec) CompressionCodec() format.CompressionCodec { return format.Zstd }

func (c *codec) Encode(dst, src []byte) ([]byte, error) {
	c.once.Do(func() {
		var err error
		c.encoder, err = zstd.NewWriter(nil,
			zstd.WithEncoderLevel(c.level),
			zstd.WithWindowSize(codecWindow),
			zstd.WithLowerEncoderMem(true),
			zstd.WithZeroFrames(true),
			zstd.WithEncoderCRC(false),
		)
		if err != nil {
			panic(err) // of options
		}
	})
	return c.encoder.EncodeAll(src, dst[:0]), nil
}

func (c *codec) Decode(dst, src []byte) ([]byte, error) { return parquet.Zstd.Decode(dst, src) }
