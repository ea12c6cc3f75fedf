import { wholeList } from '../whole-list.ts';
import { LINES } from './lines.ts';

wholeList(import.meta.dirname, LINES);
