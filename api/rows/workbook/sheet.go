package workbook

import (
	"archive/zip"
	"encoding/xml"
	"errors"
	"fmt"
	"io"
	"path"
	"strings"
)

// Sheet is a sheet of a workbook that was scanned.
type Sheet struct {
	part   *zip.File
	merged []strip
}

// Open opens the sheet's XML.
func (s *Sheet) Open() (io.ReadCloser, error) { return s.part.Open() }

// Size returns how long the sheet's XML is, in bytes.
func (s *Sheet) Size() int64 { return int64(s.part.UncompressedSize64) }

// Merges returns the sheet's merged areas, for a reading from its first row.
func (s *Sheet) Merges() *Merges { return newMerges(s.merged) }

// Sheet returns the sheet of that name, or ErrInvalid if the workbook doesn't say where it is.
func (p *Parts) Sheet(name string) (*Sheet, error) {
	part, err := partOf(p.zip, name)
	if err != nil {
		return nil, invalid(err)
	}
	scanned, ok := p.layouts[part]
	if !ok {
		return nil, ErrInvalid
	}
	return &Sheet{part, scanned.merged}, nil
}

// partOf returns the part of a workbook that holds a sheet.
func partOf(z *zip.Reader, sheet string) (*zip.File, error) {
	var book struct {
		Sheets []struct {
			Name string `xml:"name,attr"`
			ID   string `xml:"http://schemas.openxmlformats.org/officeDocument/2006/relationships id,attr"`
		} `xml:"sheets>sheet"`
	}
	var relations struct {
		All []struct {
			ID     string `xml:"Id,attr"`
			Target string `xml:"Target,attr"`
		} `xml:"Relationship"`
	}
	if err := decodePart(z, "xl/workbook.xml", &book); err != nil {
		return nil, err
	}
	if err := decodePart(z, "xl/_rels/workbook.xml.rels", &relations); err != nil {
		return nil, err
	}
	var targets []string
	for _, s := range book.Sheets {
		for _, r := range relations.All {
			if strings.EqualFold(s.Name, sheet) && r.ID == s.ID {
				targets = append(targets, r.Target)
			}
		}
	}
	if len(targets) != 1 {
		return nil, errors.New("the workbook doesn't say where its sheet is")
	}
	if after, ok := strings.CutPrefix(targets[0], "/"); ok {
		return find(z, after)
	}
	return find(z, path.Join("xl", targets[0]))
}

func decodePart(z *zip.Reader, name string, into any) error {
	part, err := find(z, name)
	if err != nil {
		return err
	}
	r, err := part.Open()
	if err != nil {
		return err
	}
	defer r.Close()
	return xml.NewDecoder(io.LimitReader(r, mostOfPart)).Decode(into)
}

func find(z *zip.Reader, name string) (*zip.File, error) {
	for _, part := range z.File {
		if nameOf(part) == strings.ToLower(name) {
			return part, nil
		}
	}
	return nil, fmt.Errorf("the workbook has no part %s", name)
}
