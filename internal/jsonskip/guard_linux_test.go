package jsonskip

import (
	"os"
	"syscall"
	"testing"
)

// TestReadsOnlyTheText puts texts of every length before a page that may not
// be read, and behind one.
func TestReadsOnlyTheText(t *testing.T) {
	page := os.Getpagesize()
	memory, err := syscall.Mmap(-1, 0, 3*page, syscall.PROT_READ|syscall.PROT_WRITE, syscall.MAP_ANON|syscall.MAP_PRIVATE)
	if err != nil {
		t.Skipf("map memory: %v", err)
	}
	defer syscall.Munmap(memory)
	for _, outside := range [][]byte{memory[:page], memory[2*page:]} {
		if err := syscall.Mprotect(outside, syscall.PROT_NONE); err != nil {
			t.Skipf("protect memory: %v", err)
		}
	}
	room, two := memory[page:2*page], pair()
	if len(two) > page {
		two = two[:page]
	}
	for n := range two {
		last := room[page-n:]
		copy(last, two)
		check(t, last, 0)
		first := room[:n]
		copy(first, two)
		check(t, first, 0)
	}
}
