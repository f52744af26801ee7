package oracle

import (
	"bufio"
	"crypto/sha256"
	"encoding/hex"
	"fmt"
	"io"
	"maps"
	"path/filepath"
	"slices"
	"strconv"
	"strings"
	"testing"
)

// SevenZip fails the test if 7-Zip cannot read an image or archive of a kind (its -t option: NTFS,
// FAT, GPT, MBR, WIM, Cab, Udf, VHD, VHDX, QCOW...) whole and without a warning. For NTFS it walks
// the file records, not the directories, and so sees what others do not.
func SevenZip(t testing.TB, v Volume, kind string) {
	t.Helper()
	Need(t, "7z")
	verdict(t, sevenZip(v.File(t), kind))
}

func sevenZip(path, kind string) error {
	out, stderr, err := Try("7z", "t", "-t"+kind, path)
	if err != nil || strings.Contains(out, "Warnings:") || !strings.Contains(out, "Everything is Ok") {
		return judged("7z", path, err, out+stderr)
	}
	return nil
}

// SevenZipDisk has 7-Zip extract the disk in a VHD, VHDX or qcow2 image (its -t option: VHD, VHDX,
// QCOW) and returns the raw file, which lives as long as the test.
func SevenZipDisk(t testing.TB, image, kind string) string {
	t.Helper()
	Need(t, "7z")
	path, err := sevenZipDisk(image, kind, t.TempDir())
	return fatal(t, path, err)
}

func sevenZipDisk(image, kind, dir string) (string, error) {
	out, stderr, err := Try("7z", "x", "-t"+kind, "-o"+dir, image)
	if err != nil || strings.Contains(out, "Warnings:") || !strings.Contains(out, "Everything is Ok") {
		return "", judged("7z", image, err, out+stderr)
	}
	files, err := filepath.Glob(filepath.Join(dir, "*"))
	if err != nil || len(files) != 1 {
		return "", judged("7z", image, err, "it finds "+strings.Join(files, ", "))
	}
	return files[0], nil
}

// SevenZipEntry is one name in an image as 7-Zip lists it. Fields that a format does not have are
// empty.
type SevenZipEntry struct {
	Folder    bool
	Stream    bool // a named stream: the path is "file:stream"
	Size      int64
	ShortName string
	Link      string // of a reparse point, in 7-Zip's words
	SHA256    string // hexadecimal; "" for a folder
}

// SevenZipTree lists an image or archive with 7-Zip, named streams included, reads all of it and
// returns what it found, by path with '/' between names.
func SevenZipTree(t testing.TB, v Volume, kind string) map[string]SevenZipEntry {
	t.Helper()
	Need(t, "7z")
	entries, err := sevenZipTree(v.File(t), kind)
	return fatal(t, entries, err)
}

// CompareSevenZip fails the test unless an image holds exactly the wanted files: SHA-256 in
// hexadecimal, by path. What 7-Zip shows beside the files (folders, streams, NTFS's own files) is not
// compared.
func CompareSevenZip(t testing.TB, v Volume, kind string, want map[string]string) {
	t.Helper()
	got := map[string]string{}
	for path, e := range SevenZipTree(t, v, kind) {
		if !e.Folder && !e.Stream && !strings.HasPrefix(path, "[SYSTEM]/") {
			got[path] = e.SHA256
		}
	}
	if diff := diffLines(listSums(want), listSums(got)); diff != "" {
		t.Errorf("7-Zip finds other files in %s (- wanted, + found):\n%s", v, diff)
	}
}

func listSums(sums map[string]string) string {
	var b strings.Builder
	for _, path := range slices.Sorted(maps.Keys(sums)) {
		fmt.Fprintf(&b, "%s %s\n", path, sums[path])
	}
	return b.String()
}

// sevenZipTree lists, then extracts everything to one pipe, in which the files follow each other in
// the order of the list.
func sevenZipTree(path, kind string) (map[string]SevenZipEntry, error) {
	list, stderr, err := Try("7z", "l", "-slt", "-sns", "-t"+kind, path)
	if err != nil {
		return nil, judged("7z", path, err, list+stderr)
	}
	order, entries, err := parseSevenZip(list)
	if err != nil {
		return nil, err
	}
	cmd := Command("7z", "x", "-so", "-sns", "-bd", "-t"+kind, path)
	out, err := cmd.StdoutPipe()
	if err != nil {
		return nil, err
	}
	if err := cmd.Start(); err != nil {
		return nil, err
	}
	err = hashInOrder(out, order, entries)
	io.Copy(io.Discard, out)
	if werr := cmd.Wait(); werr != nil {
		err = judged("7z", path, werr, "")
	}
	return entries, err
}

// parseSevenZip reads "7z l -slt": after a line of dashes, blocks of "Key = value", each beginning
// with its path.
func parseSevenZip(list string) (order []string, entries map[string]SevenZipEntry, err error) {
	entries = map[string]SevenZipEntry{}
	_, list, _ = strings.Cut(list, "\n----------\n")
	for block := range strings.SplitSeq(list, "\n\n") {
		fields := map[string]string{}
		for line := range strings.Lines(block) {
			key, value, _ := strings.Cut(strings.TrimRight(line, "\n"), " = ")
			fields[key] = value
		}
		path, ok := fields["Path"]
		if !ok {
			continue
		}
		if _, twice := entries[path]; twice {
			return nil, nil, fmt.Errorf("7z lists %q twice", path)
		}
		e := SevenZipEntry{Folder: fields["Folder"] == "+", Stream: fields["Alternate Stream"] == "+",
			ShortName: fields["Short Name"], Link: fields["Link"]}
		e.Size, _ = strconv.ParseInt(fields["Size"], 10, 64) // a folder may have none
		order, entries[path] = append(order, path), e
	}
	return order, entries, nil
}

// hashInOrder cuts the stream into files and hashes each.
func hashInOrder(r io.Reader, order []string, entries map[string]SevenZipEntry) error {
	in := bufio.NewReaderSize(r, 1<<20)
	for _, path := range order {
		e := entries[path]
		if e.Folder {
			continue
		}
		h := sha256.New()
		if n, err := io.CopyN(h, in, e.Size); err != nil {
			return fmt.Errorf("7z gives %d of the %d bytes of %q: %w", n, e.Size, path, err)
		}
		e.SHA256 = hex.EncodeToString(h.Sum(nil))
		entries[path] = e
	}
	if n, _ := io.Copy(io.Discard, in); n != 0 {
		return fmt.Errorf("7z gives %d bytes more than it lists", n)
	}
	return nil
}
