package recap

import (
	"bytes"
	"encoding/json"
	"fmt"
	"image"
	"image/color"
	"image/draw"
	"image/png"
	"math"
	"strconv"
	"sync"

	"golang.org/x/image/font"
	"golang.org/x/image/font/gofont/goregular"
	"golang.org/x/image/font/opentype"
	"golang.org/x/image/math/fixed"

	"github.com/athenatrail/athenatrail/internal/format"
)

// A Picture is one of a digest. Mail clients draw no SVG, so it is a PNG, of
// twice the pixels that it is shown with, for screens that have them.
type Picture struct {
	Name  string
	Alt   string // says what it shows, for who does not see it
	Width int    // as shown
	PNG   []byte
}

// scale is how many pixels are one that is shown.
const scale = 2

var (
	ink   = color.RGBA{0x1a, 0x1f, 0x29, 0xff}
	faint = color.RGBA{0x5b, 0x64, 0x72, 0xff}
	grid  = color.RGBA{0xdf, 0xe3, 0xe8, 0xff}
	blue  = color.RGBA{0x1f, 0x5f, 0xa6, 0xff}
	grey  = color.RGBA{0xb9, 0xc3, 0xd0, 0xff}
)

// face is the font of labels.
var face = sync.OnceValues(func() (font.Face, error) {
	f, err := opentype.Parse(goregular.TTF)
	if err != nil {
		return nil, err
	}
	return opentype.NewFace(f, &opentype.FaceOptions{Size: 12 * scale, DPI: 72, Hinting: font.HintingFull})
})

// drawing is one at a time: a face may not be used by two goroutines.
var drawing sync.Mutex

// A canvas is drawn on in the units that are shown.
type canvas struct {
	*image.RGBA
	face font.Face
}

func newCanvas(width, height int) (*canvas, error) {
	f, err := face()
	if err != nil {
		return nil, fmt.Errorf("font of the pictures: %w", err)
	}
	c := &canvas{image.NewRGBA(image.Rect(0, 0, width*scale, height*scale)), f}
	draw.Draw(c, c.Bounds(), image.White, image.Point{}, draw.Src)
	return c, nil
}

func (c *canvas) box(x, y, w, h float64, fill color.Color) {
	at := func(v float64) int { return int(math.Round(v * scale)) }
	draw.Draw(c, image.Rect(at(x), at(y), at(x+w), at(y+h)), image.NewUniform(fill), image.Point{}, draw.Src)
}

// width returns how wide a text is.
func (c *canvas) width(text string) float64 {
	return float64(font.MeasureString(c.face, text)) / 64 / scale
}

// text writes on the base line y. Align 0 begins at x, 1 ends there, 0.5 has
// its middle there.
func (c *canvas) text(x, y, align float64, text string, ink color.Color) {
	x -= align * c.width(text)
	d := font.Drawer{Dst: c, Src: image.NewUniform(ink), Face: c.face, Dot: fixed.P(int(x*scale), int(y*scale))}
	d.DrawString(text)
}

func (c *canvas) png() ([]byte, error) {
	var out bytes.Buffer
	err := (&png.Encoder{CompressionLevel: png.BestCompression}).Encode(&out, c)
	return out.Bytes(), err
}

// Pictures draws the period's cost by hour or day beside that of the period
// before, and who cost most. A period without cost has none.
func (r *Recap) Pictures() (list []Picture, err error) {
	drawing.Lock()
	defer drawing.Unlock()
	for _, draw := range []func() (*Picture, error){r.drawBars, r.drawSpenders} {
		p, err := draw()
		if err != nil {
			return nil, err
		}
		if p != nil {
			list = append(list, *p)
		}
	}
	return list, nil
}

const pictureWidth = 600

// pictureName tells a picture from those of other digests in the same mail.
func (r *Recap) pictureName(what string) string {
	return fmt.Sprintf("digest-%s-%s-%s", r.Period, r.From.Format("20060102"), what)
}

func (r *Recap) drawBars() (*Picture, error) {
	top := 0.0
	for _, b := range r.Bars {
		top = max(top, b.Now, b.Before)
	}
	if top <= 0 || math.IsInf(top, 0) {
		return nil, nil
	}
	const height, left, bottom, ceiling = 220, 70, 24, 34
	c, err := newCanvas(pictureWidth, height)
	if err != nil {
		return nil, err
	}
	top = roundUp(top)
	y := func(v float64) float64 { return height - bottom - v/top*(height-bottom-ceiling) }
	for i := range 3 {
		v := top * float64(i) / 2
		c.box(left, y(v)-0.25, pictureWidth-left, 0.5, grid)
		c.text(left-8, y(v)+4, 1, r.amount(v), faint)
	}
	// What the colours mean.
	c.box(left, 8, 10, 10, blue)
	c.text(left+16, 18, 0, "this "+string(r.Period), ink)
	second := left + 16 + c.width("this "+string(r.Period)) + 20
	c.box(second, 8, 10, 10, grey)
	c.text(second+16, 18, 0, r.Before(), ink)
	c.text(pictureWidth-2, 18, 1, "cost", faint)

	step := float64(pictureWidth-left) / float64(len(r.Bars))
	bar := min(step*0.36, 30)
	for i, b := range r.Bars {
		middle := left + (float64(i)+0.5)*step
		c.box(middle-bar-1, y(b.Now), bar, y(0)-y(b.Now), blue)
		c.box(middle+1, y(b.Before), bar, y(0)-y(b.Before), grey)
		label := b.Start.Format("Mon 2")
		if r.Period == Day {
			label = b.Start.Format("15")
			if b.Start.Hour()%3 != 0 {
				continue
			}
		}
		c.text(middle, height-8, 0.5, label, faint)
	}
	data, err := c.png()
	if err != nil {
		return nil, err
	}
	unit := "day"
	if r.Period == Day {
		unit = "hour"
	}
	return &Picture{Name: r.pictureName("bars"), Alt: "cost by " + unit + ", beside that of the " + r.Before(), Width: pictureWidth, PNG: data}, nil
}

// amount writes a number of an axis in the currency of the bars.
func (r *Recap) amount(v float64) string {
	return format.HumanMoney(json.Number(strconv.FormatFloat(v, 'f', 2, 64)), r.currency())
}

// roundUp returns the next number that an axis can end with.
func roundUp(v float64) float64 {
	unit := math.Pow(10, math.Floor(math.Log10(v)))
	for _, n := range []float64{1, 2, 3, 4, 5, 6, 8, 10} {
		if v <= n*unit*1.0001 {
			return n * unit
		}
	}
	return 10 * unit
}

func (r *Recap) drawSpenders() (*Picture, error) {
	if len(r.Most) == 0 {
		return nil, nil
	}
	top, _ := r.Most[0].Cost.Float64()
	if top <= 0 || math.IsInf(top, 0) {
		return nil, nil
	}
	const left, row, ceiling = 210, 24, 30
	c, err := newCanvas(pictureWidth, ceiling+row*len(r.Most)+6)
	if err != nil {
		return nil, err
	}
	c.text(0, 16, 0, "who cost most", ink)
	c.text(pictureWidth-2, 16, 1, "cost", faint)
	longest := 0.0
	for _, s := range r.Most {
		longest = max(longest, c.width(money(s.Cost, s.Currency)))
	}
	for i, s := range r.Most {
		y := ceiling + float64(i)*row
		v, _ := s.Cost.Float64()
		width := max(1, v/top*(pictureWidth-left-longest-12))
		name := short(s.Name, 40)
		for most := 39; c.width(name) > left-14 && most > 4; most-- {
			name = short(s.Name, most)
		}
		c.text(left-10, y+15, 1, name, ink)
		c.box(left, y+3, width, row-8, blue)
		c.text(left+width+8, y+15, 0, money(s.Cost, s.Currency), ink)
	}
	data, err := c.png()
	if err != nil {
		return nil, err
	}
	return &Picture{Name: r.pictureName("people"), Alt: "who cost most", Width: pictureWidth, PNG: data}, nil
}
