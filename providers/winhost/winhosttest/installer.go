package winhosttest

import (
	"bytes"
	"encoding/binary"
	"unicode/utf16"
)

// installer is a compound file (MS-CFB, version 3), as an MSI is one, with a stream of the root that holds the text.
func installer(text string) []byte {
	const sector, free, end, table, none = 512, 0xffffffff, 0xfffffffe, 0xfffffffd, 0xffffffff
	content := make([]byte, 8*sector) // as short as a stream may be that has sectors of its own
	copy(content, text)
	var b bytes.Buffer
	put := func(values ...any) {
		for _, v := range values {
			_ = binary.Write(&b, binary.LittleEndian, v) // a buffer takes everything
		}
	}
	put([]byte{0xd0, 0xcf, 0x11, 0xe0, 0xa1, 0xb1, 0x1a, 0xe1}, make([]byte, 16), uint16(0x3e), uint16(3), uint16(0xfffe), uint16(9), uint16(6), make([]byte, 6))
	put(uint32(0), uint32(1), uint32(1), uint32(0), uint32(4096), uint32(end), uint32(0), uint32(end), uint32(0), uint32(0))
	for range 108 {
		put(uint32(free))
	}
	put(uint32(table), uint32(end)) // the table itself, and the directory
	for i := range uint32(8) {
		if i < 7 {
			put(i + 3)
		} else {
			put(uint32(end))
		}
	}
	for range sector/4 - 10 {
		put(uint32(free))
	}
	entry := func(name string, kind byte, child, start, size uint32, class []byte) {
		n := make([]uint16, 32)
		units := copy(n, utf16.Encode([]rune(name)))
		put(n, uint16(2*units+2), kind, byte(1), uint32(none), uint32(none), child, class, make([]byte, 20), start, size, uint32(0))
	}
	windowsInstaller := []byte{0x84, 0x10, 0x0c, 0, 0, 0, 0, 0, 0xc0, 0, 0, 0, 0, 0, 0, 0x46}
	entry("Root Entry", 5, 1, end, 0, windowsInstaller)
	entry("Text", 2, none, 2, uint32(len(content)), make([]byte, 16))
	put(make([]byte, 2*128), content)
	return b.Bytes()
}
