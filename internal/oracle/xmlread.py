# Reads an XML document from standard input with Python's own parser (expat), and prints one line for each
# element and comment, and for each text that is more than space: its place, its name with the namespace,
# its attributes in order.
import sys
import xml.etree.ElementTree as ET


def show(e, depth):
    pad = "\t" * depth
    if e.tag is ET.Comment:
        print(pad + "comment " + ascii(e.text))
        return
    print(pad + e.tag + "".join(" %s=%s" % (k, ascii(v)) for k, v in sorted(e.attrib.items())))
    for text, child in [(e.text, None)] + [(c.tail, c) for c in e]:
        if child is not None:
            show(child, depth + 1)
        if text is not None and text.strip():
            print(pad + "\t" + ascii(text))
    return


parser = ET.XMLParser(target=ET.TreeBuilder(insert_comments=True))
parser.feed(sys.stdin.buffer.read())
show(parser.close(), 0)
