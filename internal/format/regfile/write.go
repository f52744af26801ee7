package regfile

import (
	"bufio"
	"bytes"
	"encoding/binary"
	"encoding/hex"
	"fmt"
	"io"
	"strings"

	"github.com/winbake/packer-plugin-winbake/internal/codec/utf16le"
	"github.com/winbake/packer-plugin-winbake/internal/fault"
)

// fold is the column from which on a comma ends a line of bytes. Lines after the first are indented by
// two blanks and so hold 25 bytes. (Wine's test of "reg export" compares with what Windows writes.)
const fold = 77

// Marshal returns the operations as a .reg file; see Write.
func Marshal(ops []Op) ([]byte, error) {
	var b bytes.Buffer
	if err := Write(&b, ops); err != nil {
		return nil, err
	}
	return b.Bytes(), nil
}

// Write writes the operations as a .reg file: version 5.00, UTF-16LE with a byte order mark, in the order
// given and in regedit's layout. What Parse reads from it is the same list. A value whose key is not the
// one before it gets a line with its key, which is one more CreateKey for Parse.
//
// Regedit cuts a REG_SZ at its first NUL and writes line ends as they are; here what is not one terminated
// string of printable characters is written as hex(1), so that no byte is lost. Names that no .reg file can
// hold are of class fault.ErrUnsupported.
func Write(w io.Writer, ops []Op) error {
	e := encoder{w: bufio.NewWriterSize(w, 1<<16)}
	e.put("\uFEFF" + header5 + "\r\n")
	for i := range ops {
		if err := e.op(&ops[i]); err != nil {
			return err
		}
	}
	e.put("\r\n")
	return e.w.Flush() // has the first error of all writes
}

type encoder struct {
	w    *bufio.Writer
	key  string // whose values may follow, "" for none
	line []byte // text of an operation, in WTF-8
	out  []byte // the same in UTF-16LE
}

func (e *encoder) put(text string) {
	e.out = utf16le.Append(e.out[:0], text)
	_, _ = e.w.Write(e.out)
}

func (e *encoder) op(op *Op) error {
	if why := keyFault(op.Key); why != "" {
		return fault.Unsupportedf(fault.NoOffset, "key %q cannot be written to a .reg file: %s", op.Key, why)
	}
	switch op.Kind {
	case CreateKey:
		e.openKey(op.Key)
	case DeleteKey:
		e.put("\r\n[-" + op.Key + "]\r\n")
		e.key = ""
	case SetValue, DeleteValue:
		if why := nameFault(op.Name); why != "" {
			return fault.Unsupportedf(fault.NoOffset, "value %q of key %q cannot be written to a .reg file: %s", op.Name, op.Key, why)
		}
		if op.Key != e.key {
			e.openKey(op.Key)
		}
		e.line = appendValue(e.line[:0], op)
		e.put(string(e.line))
	default:
		return fault.Bugf("operation %d in a .reg file", op.Kind)
	}
	return nil
}

func (e *encoder) openKey(key string) {
	e.put("\r\n[" + key + "]\r\n")
	e.key = key
}

var escape = strings.NewReplacer(`\`, `\\`, `"`, `\"`)

// appendValue adds "name"=data and the line end.
func appendValue(dst []byte, op *Op) []byte {
	if op.Name == "" {
		dst = append(dst, '@', '=')
	} else {
		dst = append(dst, `"`+escape.Replace(op.Name)+`"=`...)
	}
	if op.Kind == DeleteValue {
		return append(dst, "-\r\n"...)
	}
	text, isPrintable := printable(op.Data)
	switch {
	case op.Type == typeSZ && isPrintable:
		dst = append(dst, `"`+escape.Replace(text)+`"`...)
	case op.Type == typeDWORD && len(op.Data) == 4:
		dst = fmt.Appendf(dst, wordDWORD+"%08x", binary.LittleEndian.Uint32(op.Data))
	case op.Type == typeBinary:
		dst = appendBytes(append(dst, wordHex...), op.Data)
	default:
		dst = appendBytes(fmt.Appendf(dst, wordHexOf+"%x):", op.Type), op.Data)
	}
	return append(dst, "\r\n"...)
}

// appendBytes adds "xx,xx,..." to the line that dst holds so far, in several lines.
func appendBytes(dst, data []byte) []byte {
	column := utf16le.Len(string(dst))
	for i := range data {
		dst = hex.AppendEncode(dst, data[i:i+1])
		if i+1 == len(data) {
			break
		}
		dst = append(dst, ',')
		if column += bytesWidth; column >= fold {
			dst = append(dst, "\\\r\n  "...)
			column = len("  ")
		}
	}
	return dst
}

// printable returns the text of one terminated string without control characters.
func printable(data []byte) (string, bool) {
	last := len(data) - 2
	if last < 0 || last%2 != 0 || data[last] != 0 || data[last+1] != 0 {
		return "", false
	}
	for i := 0; i < last; i += 2 {
		if c := binary.LittleEndian.Uint16(data[i:]); c < 0x20 || c >= 0x7F && c < 0xA0 {
			return "", false
		}
	}
	return utf16le.Decode(data[:last]), true
}
